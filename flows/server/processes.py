"""Child processes of `make serve`: started in sessions of their own, ended with all they started."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tasks.engine.core.errors import UsageError

ROOT = Path(__file__).parents[2]
STOP_SEC = 15.0
"""How long a process may take to end before it is killed."""


PREFECT = (sys.executable, "-m", "prefect")


def require_source_tree() -> None:
    """Refuse to serve or deploy from an installed wheel: deployments are files of the repository.

    Raises:
        UsageError: there are none.
    """
    if not (ROOT / "prefect.yaml").is_file():
        raise UsageError(
            f"{ROOT} holds no prefect.yaml: deployments and Prefect's settings are files of the repository, which the "
            "wheel does not bring. Clone it, and call `make serve` or `make deploy` there"
        )


@contextmanager
def child(
    name: str, arguments: tuple[str, ...], logs: Path, inherited: tuple[int, ...] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a `prefect` process in a session of its own; end it with everything it started when the block ends.

    Args:
        name: of its log.
        arguments: of `prefect`.
        logs: folder of the log.
        inherited: descriptors that stay open in it.
    """
    with (logs / f"{name}.log").open("ab") as log:
        command = [*PREFECT, *arguments]
        process = subprocess.Popen(  # noqa: S603  # our own list
            command,
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=inherited,
        )
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end, then kill whatever of its descendants is left: nobody else would."""
    try:
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    process.terminate()
    _, alive = psutil.wait_procs(family, STOP_SEC)
    for orphan in alive:
        orphan.kill()
    process.wait()

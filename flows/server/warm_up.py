"""What the warm process loads before it forks, and the proof that a fork of it is safe.

    import → load the models of the profile → one thread? → what it all depends on, as it was before

A fork keeps only the thread that forked, and cannot use a GPU that its parent has used: this process starts no thread
that lives on, and never touches a GPU.
"""

import importlib
import json
import os
import site
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

STARTED_WITH = dict(os.environ)
"""Before anything was imported, which may set variables of its own."""

PRELOADED = (
    # Settles what must hold before pyannote is imported.
    "tasks.engine.models",
    "prefect.flow_engine",
    "prefect.task_engine",
    "prefect.artifacts",
    "prefect.utilities.visualization",
    "prefect.runner._workspace_supervisor",
    "pyannote.audio",
    "matplotlib.backends.backend_agg",
    "flows.audio_analysis",
    "flows.selfcheck",
)
SAFE_THREADS = {"jemalloc_bg_thd"}
"""Threads of libraries that themselves see to it that a fork is safe: Arrow's allocator."""


@dataclass(frozen=True)
class Warm:
    """What was loaded.

    Attributes:
        fingerprint: of code, packages and models; another one means that something has changed since.
        models_folder: where the offline models were loaded from.
        threads: how many threads torch uses by itself.
        environment: what there was to begin with.
        added: variables that imported packages have set.
    """

    fingerprint: dict[str, object]
    models_folder: Path
    threads: int
    environment: dict[str, str]
    added: dict[str, str]


def warm_up() -> Warm:
    """Import and load whatever a run of the profile needs, as far as that is possible without a GPU.

    Raises:
        RuntimeError: a fork would not be safe.
    """
    before = fingerprint()
    for name in PRELOADED:
        importlib.import_module(name)
    import torch  # noqa: PLC0415
    from pyannote.audio.telemetry.metrics import provider  # noqa: PLC0415

    from tasks.engine.models.registry import models_folder  # noqa: PLC0415

    # Sends nothing, and has a thread to do it.
    provider.shutdown()
    threads = torch.get_num_threads()
    # Or loading would start the threads of a pool that forks do not have.
    torch.set_num_threads(1)
    load_models()
    freeze_memory()
    refuse_threads()
    added = {name: value for name, value in os.environ.items() if STARTED_WITH.get(name) != value}
    return Warm(before, models_folder(), threads, STARTED_WITH, added)


def load_models() -> None:
    """Load candidate's and reference's pipelines of the profile; a run says what is wrong where that fails."""
    from tasks.engine.core.errors import Step4Error  # noqa: PLC0415
    from tasks.engine.inference.diarizer import pipeline_for  # noqa: PLC0415
    from tasks.engine.models.registry import find, pinned  # noqa: PLC0415

    try:
        for models, *arguments in asked_in_a_fork(pipelines_of_the_profile):
            pipeline_for(pinned(models, find(models).commits), *arguments)
    except Step4Error as error:
        print(f"no models are loaded ahead of runs: {error}", file=sys.stderr)  # noqa: T201  # the worker's log


def pipelines_of_the_profile() -> list[list[str]]:
    """Return what `pipeline_for` is asked for by runs of the profile. Looks at the GPU."""
    from profiles.settings import Configuration  # noqa: PLC0415
    from tasks.device import plan_device  # noqa: PLC0415
    from tasks.engine.devices.facts import probe  # noqa: PLC0415

    configuration = Configuration.resolve()
    candidate = plan_device(configuration, probe())
    plans = (candidate, candidate.as_reference())
    return [[configuration.models, plan.device, plan.precision, plan.engine] for plan in plans]


def asked_in_a_fork(question: Callable[[], list[list[str]]]) -> list[list[str]]:
    """Ask in a fork, so that a GPU that is looked at is not one that this process has touched; [] without an answer."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.write(writing, json.dumps(question()).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(pid, 0)
    return json.loads(answer) if answer else []


def freeze_memory() -> None:
    """Let the garbage collector leave alone what is here now: its marks would copy every page into every fork."""
    import gc  # noqa: PLC0415

    gc.collect()
    gc.freeze()


def refuse_threads() -> None:
    """Prove that this process is one thread, after a fork: OpenBLAS ends its own before each.

    Raises:
        RuntimeError: it is not.
    """
    asked_in_a_fork(list)
    threads = Path("/proc/self/task").iterdir()
    names = [(one / "comm").read_text(encoding="utf-8").strip() for one in threads if int(one.name) != os.getpid()]
    if unsafe := [name for name in names if name not in SAFE_THREADS]:
        python = [thread.name for thread in threading.enumerate()]
        raise RuntimeError(f"a fork of several threads is not safe: {unsafe}, of Python {python}")


def fingerprint() -> dict[str, object]:
    """Return what runs depend on, as it is on disk now: code, `.env`, installed packages, the profile's models."""
    from tasks.engine.core.constants import PROJECT  # noqa: PLC0415

    files = [path for folder in ("flows", "tasks", "profiles") for path in (PROJECT / folder).rglob("*.*")]
    found: dict[str, object] = {}
    for path in (*files, PROJECT / ".env", *map(Path, site.getsitepackages())):
        if path.suffix != ".pyc":
            status = path.stat() if path.exists() else None
            found[str(path)] = status and (status.st_mtime_ns, status.st_size, status.st_ino)
    return found | {"models": models_of_the_profile()}


def models_of_the_profile() -> object:
    """Return checksums of the models that the profile's runs load, or why there are none."""
    from profiles.settings import Configuration  # noqa: PLC0415
    from tasks.engine.core.errors import Step4Error  # noqa: PLC0415
    from tasks.engine.models.registry import identity  # noqa: PLC0415

    try:
        return identity(Configuration.resolve().models)
    except Step4Error as error:
        return str(error)

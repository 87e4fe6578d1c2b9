"""Runs programs on files that nobody vouches for: within bounds, without input, shell, network or secrets."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import IO, Any, Protocol

from tasks.engine.core.errors import EngineError
from tasks.engine.system import sandbox_exec

PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "TMPDIR")
"""All that such a program sees of the environment: no tokens, no proxies."""

SET = {"LC_ALL": "C", "MALLOC_ARENA_MAX": "2", "OPENBLAS_NUM_THREADS": "1"}
"""The last two keep address space small on machines with many cores."""

KEPT_BYTES = 64 * 1024
"""Of each end of what a program says on stderr: a damaged file can make it talk without end."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one process may use, enforced by the operating system.

    wall_sec, cpu_sec: seconds. memory_bytes: of address space. output_bytes: of any one file it writes.
    """

    wall_sec: float
    cpu_sec: int
    memory_bytes: int
    output_bytes: int


class Finished(Protocol):
    """What a runner hands back; ``subprocess.CompletedProcess`` is one."""

    returncode: int
    stderr: bytes


Runner = Callable[[list[str], Bounds], Finished]
"""Runs an argument list within bounds; raises ``subprocess.TimeoutExpired`` past the seconds on the wall."""


def run(
    arguments: list[str], bounds: Bounds, stdout: int | IO[bytes] = subprocess.DEVNULL
) -> "subprocess.CompletedProcess[bytes]":
    """Run one program in a session of its own; nothing of it outlives this call, nor this process.

    Returns:
        Its exit code, negative where a signal ended it, and both ends of its stderr.

    Raises:
        subprocess.TimeoutExpired: it was still running, and was killed with all it had started.
        EngineError: it could not be started.
    """
    process = start(arguments, bounds, stdout)
    said: deque[bytes] = deque()
    listener = Thread(target=listen, args=(process.stderr, said), daemon=True)
    with process:
        listener.start()
        try:
            process.wait(bounds.wall_sec)
        finally:
            # Ctrl-C as well as the timeout; a session of its own is not reached by the terminal's. Also after a
            # normal end: whoever it started goes with it, and lets go of the pipe.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            listener.join(timeout=5.0)  # someone in a session of its own may hold the pipe: not waited for
    stderr = b"".join(said)
    if process.returncode == sandbox_exec.COULD_NOT_START and stderr.startswith(b"could not be started"):
        raise EngineError(f"{arguments[0]} {stderr.decode(errors='replace').strip()}.")
    return subprocess.CompletedProcess(arguments, process.returncode, b"", stderr)


def start(arguments: list[str], bounds: Bounds, stdout: int | IO[bytes]) -> "subprocess.Popen[bytes]":
    """Start a program behind `launch`."""
    limits = map(str, (os.getpid(), int(bounds.cpu_sec), bounds.memory_bytes, bounds.output_bytes))
    program = shutil.which(arguments[0]) or arguments[0]
    command = [sys.executable, "-I", "-S", sandbox_exec.__file__, *limits, program, *arguments[1:]]
    try:
        return subprocess.Popen(  # noqa: S603  # an argument list; the file's name is behind "file:"
            command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            env={name: os.environ[name] for name in PASSED_ON if name in os.environ} | SET,
            start_new_session=True,
            cwd=Path(os.sep),
        )
    except OSError as error:
        raise EngineError(f"{arguments[0]} could not be started: {error.strerror or error}.") from error


def listen(pipe: Any, said: deque[bytes]) -> None:  # noqa: ANN401  # a pipe's type depends on how it was opened
    """Read a pipe to its end; keep the beginning, and the last pieces."""
    head, tail = b"", b""
    while piece := pipe.read1(KEPT_BYTES):
        if len(head) < KEPT_BYTES:
            head += piece
        else:
            tail = (tail + piece)[-KEPT_BYTES:]
    said.extend((head, tail))


def ended_by(returncode: int, bounds: Bounds) -> str:
    """Why a program ended that was not left to end by itself; its exit code where nothing else is known."""
    if returncode == -signal.SIGXCPU:
        return f"used more than {bounds.cpu_sec} s of CPU time"
    return f"ended with {returncode}"

"""Run programs on untrusted input: within resource limits, without stdin, shell, network or secrets."""

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
from tasks.engine.system import drop_privileges

INHERITED_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "TMPDIR")
"""All that such a program inherits of the environment: no tokens, no proxies."""

FIXED_VARIABLES = {"LC_ALL": "C", "MALLOC_ARENA_MAX": "2", "OPENBLAS_NUM_THREADS": "1"}
"""The last two keep address space small on machines with many cores."""

STDERR_BYTES = 64 * 1024
"""Kept of each end of stderr: a damaged file can make a program write without end."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one process may use, enforced by the operating system.

    Attributes:
        wall_sec: seconds until it is killed.
        cpu_sec: seconds of CPU time.
        memory_bytes: address space.
        output_bytes: size of any one file that it writes.
    """

    wall_sec: float
    cpu_sec: int
    memory_bytes: int
    output_bytes: int


class ProcessResult(Protocol):
    """What a runner returns; ``subprocess.CompletedProcess`` is one."""

    returncode: int
    stderr: bytes


Runner = Callable[[list[str], Bounds, int | IO[bytes]], ProcessResult]
"""Runs an argument list within bounds, its stdout in a file; raises ``subprocess.TimeoutExpired`` after `wall_sec`."""


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
    ends: deque[bytes] = deque()
    reader = Thread(target=read_ends, args=(process.stderr, ends), daemon=True)
    with process:
        reader.start()
        try:
            process.wait(bounds.wall_sec)
        finally:
            # After a timeout and after Ctrl-C, whose signal does not reach another session. Also after a normal exit:
            # its children end with it, and close the pipe.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            reader.join(timeout=5.0)  # a process in yet another session may hold the pipe: not waited for
    stderr = b"".join(ends)
    if process.returncode == drop_privileges.COULD_NOT_START and stderr.startswith(b"could not be started"):
        raise EngineError(f"{arguments[0]} {stderr.decode(errors='replace').strip()}.")
    return subprocess.CompletedProcess(arguments, process.returncode, b"", stderr)


def start(arguments: list[str], bounds: Bounds, stdout: int | IO[bytes]) -> "subprocess.Popen[bytes]":
    """Start a program by way of `drop_privileges`."""
    limits = map(str, (os.getpid(), int(bounds.cpu_sec), bounds.memory_bytes, bounds.output_bytes))
    program = shutil.which(arguments[0]) or arguments[0]
    command = [sys.executable, "-I", "-S", drop_privileges.__file__, *limits, program, *arguments[1:]]
    try:
        return subprocess.Popen(  # noqa: S603  # an argument list; the file's name is behind "file:"
            command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            env={name: os.environ[name] for name in INHERITED_VARIABLES if name in os.environ} | FIXED_VARIABLES,
            start_new_session=True,
            cwd=Path(os.sep),
        )
    except OSError as error:
        raise EngineError(f"{arguments[0]} could not be started: {error.strerror or error}.") from error


def read_ends(pipe: Any, ends: deque[bytes]) -> None:  # noqa: ANN401  # a pipe's type depends on how it was opened
    """Read a pipe to its end; append its first and its last `STDERR_BYTES` to `ends`."""
    head, tail = b"", b""
    while piece := pipe.read1(STDERR_BYTES):
        if len(head) < STDERR_BYTES:
            head += piece
        else:
            tail = (tail + piece)[-STDERR_BYTES:]
    ends.extend((head, tail))


def exit_reason(returncode: int, bounds: Bounds) -> str:
    """Say why a program failed: the limit that ended it, else its exit code."""
    if returncode == -signal.SIGXCPU:
        return f"used more than {bounds.cpu_sec} s of CPU time"
    return f"ended with {returncode}"

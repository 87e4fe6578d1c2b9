"""One `make serve` to a folder: two servers on one database would take each other's runs for their own."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tasks.engine.core.errors import UsageError

LOCK = "serve.lock"


@contextmanager
def sole(home: Path, url: str) -> Iterator[int]:
    """Hold a folder for a server at an address; yields the lock's descriptor, for the server to inherit.

    The lock is held for as long as any process has it open: a server that outlives its `make serve` holds it still.

    Raises:
        UsageError: somebody else holds it, and where.
    """
    descriptor = os.open(home / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        first = os.read(descriptor, 1000).decode()
        os.close(descriptor)
        raise UsageError(f"{home} is served already: {first}. {way_out(home, first)}") from error
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"Prefect UI {url}, process {os.getpid()}".encode())
        yield descriptor
    finally:
        os.close(descriptor)


def way_out(home: Path, first: str) -> str:
    """Say how the folder becomes free: by Ctrl-C, or by hand where nobody is left to press it in."""
    pid = first.rpartition(" ")[2]
    if pid.isdigit() and psutil.pid_exists(int(pid)):
        return "Stop it there with Ctrl-C, or serve another folder (--home)"
    left = " ".join(map(str, belonging_to(home)))
    return f"That process is gone and left others behind: kill {left}; then start again"


def belonging_to(home: Path) -> list[int]:
    """Return the processes that were started to serve a folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("PREFECT_HOME") == str(home):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found

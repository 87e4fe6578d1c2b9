"""Locks between the processes of one machine. A lock dies with its process, so none is ever stale."""

import getpass
import hashlib
import tempfile
from pathlib import Path

from filelock import FileLock


def lock_for(path: Path) -> FileLock:
    """The lock that stands for a path, present or not.

    Lock files lie in the system's temporary folder: beside the path they would have to be cleaned up, and removing a
    lock file that another process waits for would let two processes in.
    """
    folder = Path(tempfile.gettempdir()) / f"step4-locks-{getpass.getuser()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    name = hashlib.sha256(str(path.absolute()).encode()).hexdigest()
    return FileLock(folder / f"{name}.lock", thread_local=False)

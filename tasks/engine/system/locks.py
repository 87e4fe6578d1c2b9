"""Locks between the processes of one machine. A lock dies with its process, so none is ever stale."""

import hashlib
import os
import tempfile
from pathlib import Path

from filelock import FileLock

from tasks.engine.core.errors import StorageError


def lock_for(path: Path) -> FileLock:
    """Return the lock that stands for a path, present or not.

    Lock files lie in the system's temporary folder: beside the path they would have to be cleaned up, and removing a
    lock file that another process waits for would let two processes in.

    Raises:
        StorageError: the temporary folder takes no files.
    """
    folder = Path(tempfile.gettempdir()) / f"step4-locks-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{folder} cannot be made ({error.strerror}): runs need it for their locks.") from error
    name = hashlib.sha256(str(path.absolute()).encode()).hexdigest()
    return FileLock(folder / f"{name}.lock", thread_local=False)

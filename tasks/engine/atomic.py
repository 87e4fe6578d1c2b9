"""Files that appear whole or not at all, and the checksum that names their content."""

import contextlib
import errno
import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from tasks.engine.errors import StorageError

PARTIAL_PATTERN = ".step4-*.part"
"""Glob of temporary names: what is left of it after a crash may be deleted, nothing else reads it."""


class Disk:
    """The two calls that make a file durable. Tests pass a subclass that records or fails."""

    def sync(self, path: Path) -> None:
        """Force the content of a file, or the names of a folder, to the medium."""
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        except OSError as error:
            # Some network file systems cannot sync a folder, and say so with EINVAL; the rename is then all there is.
            if not (path.is_dir() and error.errno == errno.EINVAL):
                raise
        finally:
            os.close(handle)

    def replace(self, source: Path, target: Path) -> None:
        """Put ``source`` in the place of ``target`` in one step."""
        source.replace(target)


@contextlib.contextmanager
def atomic_path(dest: Path, disk: Disk | None = None) -> Iterator[Path]:
    """Yield a temporary path beside ``dest`` that becomes ``dest`` when the block succeeds.

    Order: write (the block) → fsync → ``os.replace`` → fsync of the folder. The block opens and closes the file
    itself, so that it gets the permissions of the user's umask. A file already at ``dest`` stays as it was until the
    replacement, and whatever ends the block early, Ctrl-C included, removes the temporary file.

    Raises:
        StorageError: for any OSError inside the block or after it (disk full, missing folder, no permission).
    """
    disk = disk or Disk()
    temporary = dest.parent / f".step4-{secrets.token_hex(8)}.part"
    try:
        yield temporary
        disk.sync(temporary)
        disk.replace(temporary, dest)
        disk.sync(dest.parent)
    except OSError as error:
        raise StorageError(f"{dest} could not be written: {error.strerror or error}.") from error
    finally:
        # After a successful replacement the name is gone; a failing clean-up must not hide the first error.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """Hexadecimal sha256 of a file's content, read in blocks.

    Raises:
        StorageError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise StorageError(f"{path} could not be read: {error.strerror or error}.") from error


def make_folder(path: Path) -> None:
    """Make a folder and those above it.

    Raises:
        StorageError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"folder {path} cannot be made ({error.strerror or error}): choose one that can.") from error

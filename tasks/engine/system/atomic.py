"""Files that appear whole or not at all, and the checksum that names their content."""

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

from tasks.engine.core.errors import StorageError
from tasks.engine.system.stale_files import owner_tag

PARTIAL_PATTERN = ".step4-*.part"
"""Glob of temporary names: what a crash leaves of them may be deleted, nothing else reads it."""


class Disk:
    """The calls that make a file durable and public. Tests pass a subclass that records or fails."""

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

    def make_folder(self, path: Path) -> None:
        """Make a folder and those above it."""
        path.mkdir(parents=True, exist_ok=True)

    def replace(self, source: Path, target: Path) -> None:
        """Put ``source`` in the place of ``target`` in one step."""
        source.replace(target)


_IN_FORCE: ContextVar[Disk] = ContextVar("disk")


def disk_in_force() -> Disk:
    """Return the disk that this context writes to: the real one, unless `disk_replaced` set another."""
    return _IN_FORCE.get(None) or Disk()


@contextlib.contextmanager
def disk_replaced(disk: Disk) -> Iterator[None]:
    """Send every write in this block through another disk."""
    token = _IN_FORCE.set(disk)
    try:
        yield
    finally:
        _IN_FORCE.reset(token)


@contextlib.contextmanager
def atomic_path(dest: Path, disk: Disk | None = None) -> Iterator[Path]:
    """Yield a temporary path beside ``dest`` that becomes ``dest`` when the block succeeds.

    Order: write (the block) → fsync → ``os.replace`` → fsync of the folder. The block opens and closes the file
    itself, so that it gets the permissions of the user's umask. A file already at ``dest`` stays as it was until the
    replacement, and whatever ends the block early, Ctrl-C included, removes the temporary file.

    Raises:
        StorageError: for any OSError inside the block or after it (disk full, missing folder, no permission).
    """
    disk = disk or disk_in_force()
    temporary = dest.parent / f".step4-{owner_tag()}.part"
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


def atomic_write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with the line ends it has; the file appears whole or not at all.

    Raises:
        StorageError: the file could not be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def sha256_of(path: Path) -> str:
    """Return the hexadecimal sha256 of a file's content, read in blocks.

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
        disk_in_force().make_folder(path)
    except OSError as error:
        raise StorageError(f"folder {path} cannot be made ({error.strerror or error}): choose one that can.") from error

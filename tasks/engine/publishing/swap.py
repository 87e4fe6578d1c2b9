"""Replace a set of published files by another. A manifest that is in place is true at every instant.

All new files, the manifest too, were written and synced before: here names change, and no space is needed. The old
manifest is moved first and the new one last, so that a reader finds the old set, none, or the new one. The old files
are kept aside until then, and are restored when anything fails, or at the next start when the process was killed.
"""

import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from tasks.engine.system.atomic import disk_in_force, make_folder


def swap(files: Mapping[Path, Path], obsolete: Iterable[Path], aside: Path) -> None:
    """Move every file to its public name, or none.

    Args:
        files: staged path to public path; the manifest last. All in one folder, on the file system of `aside`.
        obsolete: public names of earlier files that the new set no longer has.
        aside: folder for the earlier files until the swap is complete.

    Raises:
        OSError: a name could not be changed; the earlier files are restored.
        StorageError: `aside` could not be made.
    """
    disk = disk_in_force()
    public, placed = [*obsolete, *files.values()], []
    make_folder(aside)
    try:
        for path in reversed(public):
            if os.path.exists(path):  # noqa: PTH110  # a name that is too long is not there; Path.exists raises
                disk.replace(path, aside / path.name)
        for staged, path in files.items():
            disk.replace(staged, path)
            placed.append(path)
        disk.sync(public[-1].parent)
    except BaseException:
        for path in placed:
            path.unlink(missing_ok=True)
        restore(aside, public[-1])
        raise
    shutil.rmtree(aside, ignore_errors=True)


def restore(aside: Path, manifest: Path) -> None:
    """Undo a swap that was interrupted, or remove what a complete one left; for the holder of the video's lock.

    Args:
        aside: as given to `swap`.
        manifest: public name of the manifest.
    """
    kept = sorted(aside.glob("*"), key=lambda path: path.name == manifest.name) if aside.is_dir() else []
    if not manifest.exists():
        for path in kept:
            path.replace(manifest.parent / path.name)
    shutil.rmtree(aside, ignore_errors=True)
    with suppress(OSError):
        aside.parent.rmdir()

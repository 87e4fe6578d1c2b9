"""Puts a set of files in the place of an earlier set. A manifest that is in place is true at every instant.

All new files, the manifest too, were written and synced before: here names change, and nothing needs space. The old
manifest goes first and the new one comes last, so that a reader meets the old set, none, or the new one; the old files
wait aside until then, and come back when anything fails, or at the next start when the process was killed.
"""

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
        aside: folder where the earlier files wait.

    Raises:
        OSError: a name could not be changed; the earlier files are back in place.
        StorageError: `aside` could not be made.
    """
    disk = disk_in_force()
    public, placed = [*obsolete, *files.values()], []
    make_folder(aside)
    try:
        for path in reversed(public):
            if path.exists():
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
    """Undo a switch that was cut short, or clear up after one that was not; for the holder of the clip's lock."""
    waiting = sorted(aside.glob("*"), key=lambda path: path.name == manifest.name) if aside.is_dir() else []
    if not manifest.exists():
        for path in waiting:
            path.replace(manifest.parent / path.name)
    shutil.rmtree(aside, ignore_errors=True)
    with suppress(OSError):
        aside.parent.rmdir()

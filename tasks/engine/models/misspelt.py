"""Folders that a name may have been meant to be: `models/community` looks like a repository, `owner/name`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from pathlib import Path

from tasks.engine.core.errors import ModelError


@contextmanager
def folders_remembered(name: str, *bases: Path) -> Iterator[None]:
    """Say with an error of the hub that no such folder is here either, where a folder may have been meant.

    Args:
        name: of a repository, as it was asked for.
        bases: folders that it would be below; none for the working folder.

    Raises:
        ModelError: the same, and where was looked.
    """
    try:
        yield
    except ModelError as error:
        if not (told := missing_folder(name, *bases)):
            raise
        raise ModelError(f"{error}; {told}") from error


def missing_folder(name: str, *bases: Path) -> str:
    """Say which part of a path is not there, and what may have been meant; empty where no path can be meant."""
    for base in bases or (Path(),):
        path = base / name
        missing = next((part for part in reversed((path, *path.parents)) if not os.path.lexists(part)), None)
        nearest = nearest_path(path, missing) if missing else None
        # The owner of a repository is no folder.
        if missing and (nearest or missing.parent != base):
            meant = f": is {nearest} meant?" if nearest else ""
            return f"no file or folder {missing.name} is in {missing.parent.absolute()}{meant}"
    return ""


def nearest_path(path: Path, missing: Path) -> Path | None:
    """Return what is there instead of a path, under another name for its missing part; None where nothing is."""
    # What may not be looked into has nothing to offer.
    with suppress(OSError):
        for name in get_close_matches(missing.name, sorted(other.name for other in missing.parent.iterdir()), n=1):
            nearest = missing.parent / name / path.relative_to(missing)
            return nearest if nearest.exists() else None
    return None

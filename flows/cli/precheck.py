"""Mistakes that are seen at once: answered before torch, pyannote and the rest of the engine are loaded."""

import os
from pathlib import Path

from tasks.engine.core.errors import MediaError, StorageError, UsageError
from tasks.engine.core.printable import printable
from tasks.engine.models.checksums import require_present
from tasks.engine.models.registry import models_folder, offline_set
from tasks.engine.system.environment import where


def require_possible(video: Path, output: Path, models: str) -> None:
    """Refuse a run that cannot end well.

    Args:
        video: absolute.
        output: folder to publish in, absolute.
        models: the set that the run would load.

    Raises:
        UsageError, MediaError: there is no such file.
        StorageError: nothing can be written where it would publish.
        ModelError: the offline set is in force and not whole.
    """
    require_video(video)
    require_writable(output)
    require_offline_models(models)


def require_video(video: Path) -> None:
    """Refuse what is no file.

    Raises:
        UsageError: a folder, with the command that takes one.
        MediaError: not there, or no file.
    """
    named = f"'{printable(video)}'"
    if os.path.isdir(video):  # noqa: PTH112  # unlike Path.is_dir, it never raises
        raise UsageError(f"{named} is a folder: `step4 batch` publishes a timeline for every video below a folder")
    if not os.path.isfile(video):  # noqa: PTH113  # likewise
        problem = "is not a file" if os.path.lexists(video) else "does not exist"
        raise MediaError(f"{named} {problem}{where(video)}: a video or audio file would be accepted.")


def require_writable(output: Path) -> None:
    """Refuse an output folder in which, or above which, nothing can be made.

    Raises:
        StorageError: with the option that names another.
    """
    there = next(filter(os.path.lexists, (output, *output.parents)))
    writable = os.access(there, os.W_OK | os.X_OK)
    problem = "is not a folder" if not there.is_dir() else "" if writable else "may not be written to"
    if problem:
        raise StorageError(f"{output} takes no files ({there} {problem}): choose another folder with --output")


def require_offline_models(models: str) -> None:
    """Refuse to begin where a file of the offline set is missing; other sets are looked for by the run.

    Raises:
        ModelError: with the first that is missing, and how to get it.
    """
    if models == "offline":
        for file in offline_set(models_folder()).files:
            require_present(file.path)

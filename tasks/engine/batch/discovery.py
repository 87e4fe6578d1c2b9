"""Find videos below folders, one after the other, in the memory of the largest single folder."""

import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from tasks.engine.core.errors import Step4Error, StorageError, UsageError
from tasks.engine.media.containers import VIDEO_SUFFIXES
from tasks.engine.publishing.manifest import is_current
from tasks.engine.publishing.names import MANIFEST, require_publishable
from tasks.engine.system.environment import where


@dataclass(frozen=True, slots=True)
class DiscoveredVideo:
    """A video, or a folder that could not be read.

    Attributes:
        video: path of the video or folder.
        error: why it cannot be run.
        current: whether it has a published timeline that a run would not change.
    """

    video: Path
    error: Step4Error | None = None
    current: bool = False


def require_places(places: Iterable[Path]) -> None:
    """Check that every folder or file that was asked for exists, before any of them is touched.

    Raises:
        UsageError: with the first that is not.
    """
    for place in places:
        if not place.exists():
            raise UsageError(f"{place} does not exist{where(place)}: a folder of videos, or a video, would be accepted")


def find_videos(places: Iterable[Path]) -> Iterator[DiscoveredVideo]:
    """Find every video in or below the places, each folder's in order of name; a place may be a video itself.

    Left out: hidden files and folders (`.step4` is one), and whatever is not named like a video. Links to folders are
    followed, and each folder is entered once, so that loops end. Files that would publish under the same names, such
    as `clip.mp4` beside `clip.mkv`, all carry a UsageError, and a folder that cannot be read a StorageError.
    """
    entered: set[tuple[int, int]] = set()
    for place in places:
        if place.is_dir():
            yield from _videos_below(place.absolute(), entered)
        else:
            yield DiscoveredVideo(place.absolute())


def _videos_below(folder: Path, entered: set[tuple[int, int]]) -> Iterator[DiscoveredVideo]:
    """Find the videos of a folder, then those of each folder in it.

    Args:
        folder: where to start, absolute.
        entered: (device, inode) of every folder that was entered; added to.
    """
    errors: list[OSError] = []
    for parent, subfolders, files in os.walk(folder, onerror=errors.append, followlinks=True):
        yield from _unreadable(errors)
        here = Path(parent)
        try:
            status = here.stat()
        except OSError as error:
            errors.append(error)
            subfolders.clear()
            continue
        identity = (status.st_dev, status.st_ino)
        if identity in entered:
            subfolders.clear()
            continue
        entered.add(identity)
        subfolders[:] = sorted((name for name in subfolders if not name.startswith(".")), key=_stem_first)
        names = sorted((name for name in files if not name.startswith(".") and is_video(name)), key=_stem_first)
        # Links that lead nowhere, sockets and the like are files to os.walk. Unlike Path.is_file, isfile never raises.
        videos = (here / name for name in names if os.path.isfile(here / name))  # noqa: PTH113
        yield from _with_shared_stems_refused(videos)
    yield from _unreadable(errors)


def _unreadable(errors: list[OSError]) -> Iterator[DiscoveredVideo]:
    """Take the errors of the walk since the last folder, as places that could not be used."""
    while errors:
        error = errors.pop(0)
        cause = StorageError(f"folder {error.filename} cannot be read: {error.strerror or error}")
        yield DiscoveredVideo(Path(error.filename), cause)


def _stem_first(name: str) -> tuple[str, str]:
    """Sort by stem and then suffix, so that names of one stem stand together."""
    return Path(name).stem, name


def is_video(name: str) -> bool:
    """Tell whether a file is named like a video."""
    return Path(name).suffix.lower() in VIDEO_SUFFIXES.split(",")


def _with_shared_stems_refused(videos: Iterable[Path]) -> Iterator[DiscoveredVideo]:
    """Add an error to those videos of one folder, sorted by stem, that share their stem with another."""
    for stem, group in groupby(videos, key=lambda video: video.stem):
        sharing = list(group)
        names = " and ".join(video.name for video in sharing)
        clash = f"{names} in {sharing[0].parent} would all publish as {stem}{MANIFEST}: rename all but one"
        yield from (DiscoveredVideo(video, UsageError(clash) if len(sharing) > 1 else None) for video in sharing)


def refuse_shared_names(videos: Iterable[DiscoveredVideo]) -> Iterator[DiscoveredVideo]:
    """Refuse all but the first of those that share a stem, for videos of any folder that are to publish into one."""
    owners: dict[str, Path] = {}
    for discovered in videos:
        owner = owners.setdefault(discovered.video.stem, discovered.video)
        clash = f"{discovered.video} would publish under the names of {owner}: choose another --output for one of them"
        shared = discovered.error is None and owner != discovered.video
        yield DiscoveredVideo(discovered.video, UsageError(clash)) if shared else discovered


def mark_current(
    videos: Iterable[DiscoveredVideo], output: Path | None, request_keys: Collection[str]
) -> Iterator[DiscoveredVideo]:
    """Say of each video whether a run is needed, as `is_current` tells; those with an error are passed on.

    One whose name leaves no room for published names gets a UsageError here: no run of it is started.
    """
    for discovered in videos:
        if discovered.error:
            yield discovered
            continue
        video = discovered.video
        try:
            require_publishable(video, (output or video.parent).absolute())
        except UsageError as error:
            yield replace(discovered, error=error)
        else:
            yield replace(discovered, current=is_current(video, output, request_keys))

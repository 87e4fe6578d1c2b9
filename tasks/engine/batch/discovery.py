"""Videos below folders, one after the other: what a batch works through, in the memory of the largest single folder."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from tasks.engine.core.errors import Step4Error, StorageError, UsageError
from tasks.engine.media.containers import VIDEO_SUFFIXES
from tasks.engine.publishing.manifest import is_current


@dataclass(frozen=True, slots=True)
class DiscoveredVideo:
    """A video, or a place that could not be used.

    trouble: why it cannot be run. current: it has a published timeline that a run would not change.
    """

    video: Path
    trouble: Step4Error | None = None
    current: bool = False


def require_places(places: Iterable[Path]) -> None:
    """Every folder or file that was asked for must be there before any of them is touched.

    Raises:
        UsageError: with the first that is not.
    """
    for place in places:
        if not place.exists():
            raise UsageError(f"{place} does not exist: a folder of videos, or a video, would be accepted")


def find_videos(places: Iterable[Path]) -> Iterator[DiscoveredVideo]:
    """Every video in or below the places, each folder's in order of name; a place may be a video itself.

    Left out: hidden files and folders (`.step4` is one), and whatever is not named like a video. Links to folders are
    followed, and each folder is entered once, so that loops end. Files that would publish under the same names, such
    as `clip.mp4` beside `clip.mkv`, are all found with a UsageError; a folder that cannot be read with a StorageError.
    """
    entered: set[tuple[int, int]] = set()
    for place in places:
        if place.is_dir():
            yield from below(place.absolute(), entered)
        else:
            yield DiscoveredVideo(place.absolute())


def below(folder: Path, entered: set[tuple[int, int]]) -> Iterator[DiscoveredVideo]:
    """The videos of a folder, then those of each folder in it."""
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        try:
            identity = here.stat()
            entries = [] if (identity.st_dev, identity.st_ino) in entered else listed(here)
        except OSError as error:
            yield DiscoveredVideo(here, StorageError(f"folder {here} cannot be read: {error.strerror or error}"))
            continue
        entered.add((identity.st_dev, identity.st_ino))
        yield from of_distinct_names(here / name for name, is_folder in entries if not is_folder)
        waiting.extend(here / name for name, is_folder in reversed(entries) if is_folder)


def listed(folder: Path) -> list[tuple[str, bool]]:
    """(name, is a folder) of the folders and videos in a folder, hidden ones left out, by stem and then suffix."""
    with os.scandir(folder) as entries:
        shown = [(entry.name, entry.is_dir(), entry.is_file()) for entry in entries if not entry.name.startswith(".")]
    kept = [(name, is_folder) for name, is_folder, is_file in shown if is_folder or (is_file and is_video(name))]
    return sorted(kept, key=lambda entry: (Path(entry[0]).stem, entry[0]))


def is_video(name: str) -> bool:
    """Is a file named like a video?"""
    return Path(name).suffix.lower() in VIDEO_SUFFIXES.split(",")


def of_distinct_names(videos: Iterable[Path]) -> Iterator[DiscoveredVideo]:
    """Videos of one folder, sorted by stem; those that share a stem with a reason not to run them."""
    for stem, group in groupby(videos, key=lambda video: video.stem):
        same = list(group)
        names = " and ".join(video.name for video in same)
        clash = f"{names} in {same[0].parent} would all publish as {stem}_step4.json: rename all but one"
        yield from (DiscoveredVideo(video, UsageError(clash) if len(same) > 1 else None) for video in same)


def refuse_shared_names(found: Iterable[DiscoveredVideo]) -> Iterator[DiscoveredVideo]:
    """Videos of any folder that are to publish into one: of those that share a stem only the first may run."""
    taken: dict[str, Path] = {}
    for one in found:
        first = taken.setdefault(one.video.stem, one.video)
        clash = f"{one.video} would publish under the names of {first}: choose another --output for one of them"
        shared = one.trouble is None and first != one.video
        yield DiscoveredVideo(one.video, UsageError(clash)) if shared else one


def mark_current(found: Iterable[DiscoveredVideo], output: Path | None, request_key: str) -> Iterator[DiscoveredVideo]:
    """Say of each video whether a run is needed; see `is_current`. What already has trouble is passed on."""
    for one in found:
        yield one if one.trouble else DiscoveredVideo(one.video, current=is_current(one.video, output, request_key))

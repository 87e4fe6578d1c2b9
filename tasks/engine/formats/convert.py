"""Convert a timeline or turns to the formats that others read."""

import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from tasks.engine.core.errors import Step4Error, UsageError
from tasks.engine.core.printable import printable
from tasks.engine.core.timeline import Timeline, timeline_of, turns_of
from tasks.engine.core.turns import Turn
from tasks.engine.formats import audacity, audio_json, rttm, turns_csv, turns_json, turns_parquet, webvtt
from tasks.engine.formats.detect import load_timeline, read
from tasks.engine.formats.turn_grid import covering_grid, grid_of

TIMELINE_SUFFIX, TURNS_SUFFIX, EXCLUSIVE_SUFFIX = "_timeline.parquet", "_turns.parquet", "_exclusive.parquet"
TURN_WRITERS = {"json": turns_json.write, "csv": turns_csv.write, "webvtt": webvtt.write, "audacity": audacity.write}
"""Formats that hold nothing but turns; RTTM also names the recording, and `audio-json` lists frames."""

FORMATS = ("audio-json", "rttm", *TURN_WRITERS)


def export(source: Path, to: str, destination: Path | None, *, exclusive: bool = False) -> None:
    """Write a timeline or turns as one of `FORMATS`; to stdout where no destination is given.

    Args:
        source: a timeline, or turns.
        to: the format.
        destination: of the file.
        exclusive: write what a run published beside the timeline, one speaker at a time.

    Raises:
        UsageError: the source is neither a timeline nor turns, or lacks what `exclusive` asks for.
        StorageError: the source fails verification, or the destination cannot be written.
    """
    timeline, turns = one_at_a_time(source) if exclusive else contents(source)
    if destination is not None:
        write(timeline, turns, to, destination, name_of(source, timeline))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export"
        write(timeline, turns, to, path, name_of(source, timeline))
        with path.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)


def contents(source: Path) -> tuple[Timeline, list[Turn]]:
    """Read a file as frames and as turns, whichever it holds.

    Raises:
        UsageError: it is neither.
        StorageError: it fails verification.
    """
    content = read(source)
    if isinstance(content, Timeline):
        return content, turns_for(source, content)
    return timeline_of(content, None, covering_grid([content], None)), content


def one_at_a_time(source: Path) -> tuple[Timeline, list[Turn]]:
    """Read the turns with one speaker at a time that were published beside a timeline, and lay them on its frames.

    Raises:
        UsageError: there are none, or the source is no such timeline.
        StorageError: a file fails verification.
    """
    beside = source.with_name(source.name.removesuffix(TIMELINE_SUFFIX) + EXCLUSIVE_SUFFIX)
    if not source.name.endswith(TIMELINE_SUFFIX) or not beside.is_file():
        raise UsageError(
            f"{source} has no turns with one speaker at a time beside it: a …{TIMELINE_SUFFIX} would be accepted that "
            "was published with --exclusive"
        )
    timeline, turns = load_timeline(source), turns_parquet.read(beside)
    frames = timeline_of(turns, None, grid_of(timeline))
    return replace(frames, video_filename=timeline.video_filename), turns


def write(timeline: Timeline, turns: list[Turn], to: str, path: Path, name: str) -> None:
    """Write one of `FORMATS`.

    Args:
        timeline: for `audio-json`.
        turns: for all others.
        to: the format.
        path: of the file.
        name: of the recording.

    Raises:
        StorageError: the file could not be written.
    """
    if to == "rttm":
        rttm.write(path, turns, Path(name).stem)
    elif to in TURN_WRITERS:
        TURN_WRITERS[to](path, turns)
    else:
        frames, fps = timeline.frames, timeline.fps
        audio_json.write(path, timeline.batches(), video_filename=name, total_frames=frames, fps=fps)


def turns_for(source: Path, timeline: Timeline) -> list[Turn]:
    """Return the turns published beside the timeline, to the millisecond; else the runs of its frames."""
    beside = source.with_name(source.name.removesuffix(TIMELINE_SUFFIX) + TURNS_SUFFIX)
    if source.name.endswith(TIMELINE_SUFFIX) and beside.is_file():
        try:
            return turns_parquet.read(beside)
        except Step4Error:
            # A damaged neighbour is no reason to refuse: the frames still say who speaks when.
            return turns_of(timeline)
    return turns_of(timeline)


def name_of(source: Path, timeline: Timeline) -> str:
    """Return the video's file name as the timeline states it, else the timeline's own."""
    return timeline.video_filename or printable(source.name)

"""Convert a timeline or turns to the formats that others read."""

import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from tasks.engine.core.printable import printable
from tasks.engine.core.timeline import Timeline, timeline_of, turns_of
from tasks.engine.core.turns import Turn
from tasks.engine.formats import audacity, audio_json, rttm, turns_csv, turns_json, turns_parquet, webvtt
from tasks.engine.formats.detect import read
from tasks.engine.formats.turn_grid import covering_grid, grid_of

TURN_WRITERS = {"json": turns_json.write, "csv": turns_csv.write, "webvtt": webvtt.write, "audacity": audacity.write}
"""Formats that hold nothing but turns; RTTM also names the recording, and `audio-json` lists frames."""

FORMATS = ("audio-json", "rttm", *TURN_WRITERS)


def export(
    source: Path, to: str, destination: Path | None, turns: Path | None = None, *, exclusive: bool = False
) -> None:
    """Write a timeline or turns as one of `FORMATS`; to stdout where no destination is given.

    Args:
        source: a timeline, or turns.
        to: the format.
        destination: of the file.
        turns: those that were published with the timeline, to the millisecond; else the runs of its frames.
        exclusive: these turns are of one speaker at a time, and so are the frames to write.

    Raises:
        UsageError: the source is neither a timeline nor turns.
        StorageError: a file fails verification, or the destination cannot be written.
    """
    timeline, spoken = contents(source, turns, exclusive=exclusive)
    if destination is not None:
        write(timeline, spoken, to, destination, name_of(source, timeline))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export"
        write(timeline, spoken, to, path, name_of(source, timeline))
        with path.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)


def contents(source: Path, table: Path | None, *, exclusive: bool) -> tuple[Timeline, list[Turn]]:
    """Read a file as frames and as turns, whichever it holds, and the turns in full from their own table.

    Raises:
        UsageError: it is neither.
        StorageError: a file fails verification.
    """
    content = read(source)
    if not isinstance(content, Timeline):
        return timeline_of(content, None, covering_grid([content], None)), content
    turns = turns_parquet.read(table) if table else turns_of(content)
    if exclusive:
        content = replace(timeline_of(turns, None, grid_of(content)), video_filename=content.video_filename)
    return content, turns


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


def name_of(source: Path, timeline: Timeline) -> str:
    """Return the video's file name as the timeline states it, else the timeline's own."""
    return timeline.video_filename or printable(source.name)

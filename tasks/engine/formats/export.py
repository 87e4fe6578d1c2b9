"""One timeline, in the formats that others read."""

import shutil
import sys
import tempfile
from pathlib import Path

from tasks.engine.errors import Step4Error
from tasks.engine.formats import audio_json, rttm, turns_json, turns_parquet
from tasks.engine.formats.registry import load_timeline
from tasks.engine.timeline import Timeline, turns_of
from tasks.engine.turns import Turn

TIMELINE_SUFFIX, TURNS_SUFFIX = "_timeline.parquet", "_turns.parquet"


def export(source: Path, to: str, destination: Path | None) -> None:
    """Write a timeline as `audio-json`, `rttm` or `json`; to stdout where no destination is given.

    Raises:
        UsageError: the source is not a timeline.
        StorageError: the source fails verification, or the destination cannot be written.
    """
    timeline = load_timeline(source)
    if destination is not None:
        write(timeline, turns_for(source, timeline), to, destination, name_of(source, timeline))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export"
        write(timeline, turns_for(source, timeline), to, path, name_of(source, timeline))
        with path.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)


def write(timeline: Timeline, turns: list[Turn], to: str, path: Path, name: str) -> None:
    """Write one format."""
    if to == "rttm":
        rttm.write(path, turns, Path(name).stem)
    elif to == "json":
        turns_json.write(path, turns)
    else:
        frames, fps = timeline.frames, timeline.fps
        audio_json.write(path, timeline.batches(), video_filename=name, total_frames=frames, fps=fps)


def turns_for(source: Path, timeline: Timeline) -> list[Turn]:
    """The turns published beside the timeline, to the millisecond; else the runs of its frames."""
    beside = source.with_name(source.name.removesuffix(TIMELINE_SUFFIX) + TURNS_SUFFIX)
    if source.name.endswith(TIMELINE_SUFFIX) and beside.is_file():
        try:
            return turns_parquet.read(beside)
        except Step4Error:
            # A damaged neighbour is no reason to refuse: the frames still say who speaks when.
            return turns_of(timeline)
    return turns_of(timeline)


def name_of(source: Path, timeline: Timeline) -> str:
    """The video's file name as the timeline states it, else the timeline's own."""
    return timeline.video_filename or source.name

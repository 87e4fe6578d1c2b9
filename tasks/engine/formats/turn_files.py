"""Reads a list of turns of any known format; the content decides which, never the name."""

import math
import re
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.engine.errors import UsageError
from tasks.engine.formats import audacity, rttm, turns_csv, turns_json, turns_parquet, webvtt
from tasks.engine.frames import FrameGrid, activity
from tasks.engine.timeline import Timeline
from tasks.engine.turns import Turn

DEFAULT_FPS = Fraction(25)
LONGEST_SEC = 7 * 24 * 3600
"""No recording is longer; a slip of the unit would otherwise ask for a table without end."""

_RTTM = re.compile(r"\s*(;;|SPEAKER\s|SPKR-INFO\s|NOSCORE\s|NO_RT_METADATA\s)")
_WEBVTT = re.compile(r"WEBVTT(\s|$)")
_AUDACITY = re.compile(r"\s*\d+([.,]\d+)?\t\d+([.,]\d+)?\t")
_JSON = re.compile(r'\s*(\[\s*\{\s*"(start|end|speaker)"|\{\s*"(exclusive_)?diarization"\s*:)')


def read_turns(path: Path, start: bytes) -> list[Turn] | None:
    """The turns in ``path``, None where it is no such file.

    start: its first bytes.

    Raises:
        UsageError: it looks like one of the formats, and a line or turn of it is malformed.
        StorageError: damaged Parquet.
    """
    text = start.decode("utf-8-sig", "ignore")
    if _RTTM.match(text):
        return rttm.read(path)
    if _WEBVTT.match(text):
        return webvtt.read(path)
    if _AUDACITY.match(text):
        return audacity.read(path)
    if _JSON.match(text):
        return turns_json.read(path)
    if turns_csv.columns_of(text.split("\n", 1)[0].strip().split(",")) is not None:
        return turns_csv.read(path)
    return turns_parquet.read(path) if _is_parquet_of_turns(path, start) else None


def on_grid(turns: list[Turn], grid: FrameGrid) -> Timeline:
    """The frame table that the turns make on a grid: a frame is theirs whose centre lies in [start, end)."""
    speakers = tuple(sorted({turn.speaker for turn in turns}))
    active = activity(turns, speakers, grid.centres())
    count = np.count_nonzero(active, axis=1).astype(np.uint8)
    return Timeline("", grid.fps, grid.times(), count > 0, speakers, active, count)


def covering(lists: Iterable[list[Turn]], fps: Fraction | None, frames: int | None = None) -> FrameGrid:
    """A grid of ``frames`` frames, or as long as the last turn of all lists.

    Raises:
        UsageError: a turn ends after a week.
    """
    last = max((turn.end for turns in lists for turn in turns), default=0.0)
    if last > LONGEST_SEC:
        raise UsageError(f"A turn ends at {last:g} s; times are seconds, and a week of them is accepted.")
    rate = fps or DEFAULT_FPS
    # A turn that ends on a frame's edge, but for rounding, needs no frame beyond it.
    return FrameGrid(math.ceil(last * float(rate) - 1e-3) if frames is None else frames, rate)


def grid_of(timeline: Timeline) -> FrameGrid:
    """The frames that a table describes."""
    regular = FrameGrid(timeline.frames, timeline.fps)
    if np.allclose(timeline.timecodes, regular.times(), rtol=0, atol=1e-6):
        return regular
    return FrameGrid(timeline.frames, timeline.fps, timeline.timecodes)


def _is_parquet_of_turns(path: Path, start: bytes) -> bool:
    try:
        return start.startswith(b"PAR1") and "start_sec" in pq.read_schema(path).names
    except (pa.ArrowException, OSError):
        return False

"""Reads a list of turns of any known format; the content decides which, never the name."""

import math
from collections.abc import Iterable
from fractions import Fraction

import numpy as np

from tasks.engine.core.constants import ASSUMED_FPS
from tasks.engine.core.errors import UsageError
from tasks.engine.core.frames import FrameGrid, activity
from tasks.engine.core.timeline import Timeline
from tasks.engine.core.turns import Turn

LONGEST_SEC = 7 * 24 * 3600
"""No recording is longer; a slip of the unit would otherwise ask for a table without end."""


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
    rate = fps or ASSUMED_FPS
    # A turn that ends on a frame's edge, but for rounding, needs no frame beyond it.
    return FrameGrid(math.ceil(last * float(rate) - 1e-3) if frames is None else frames, rate)


def grid_of(timeline: Timeline) -> FrameGrid:
    """The frames that a table describes."""
    regular = FrameGrid(timeline.frames, timeline.fps)
    if np.allclose(timeline.timecodes, regular.times(), rtol=0, atol=1e-6):
        return regular
    return FrameGrid(timeline.frames, timeline.fps, timeline.timecodes)

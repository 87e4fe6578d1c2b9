"""Frame grids for lists of turns, which have none of their own: another timeline's, or one that covers the turns."""

import math
from collections.abc import Iterable
from fractions import Fraction

import numpy as np

from tasks.engine.core.constants import ASSUMED_FPS
from tasks.engine.core.errors import UsageError
from tasks.engine.core.frames import FrameGrid
from tasks.engine.core.timeline import Timeline
from tasks.engine.core.turns import Turn

LONGEST_SEC = 7 * 24 * 3600
"""No recording is longer; a slip of the unit would otherwise ask for a table without end."""


def covering_grid(lists: Iterable[list[Turn]], fps: Fraction | None, frames: int | None = None) -> FrameGrid:
    """Return a grid of ``frames`` frames, or one that reaches to the last turn of all lists.

    Args:
        lists: of turns, in any order.
        fps: frame rate; `ASSUMED_FPS` where None.
        frames: how many, where that is known.

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
    """Return the frames that a timeline describes."""
    regular = FrameGrid(timeline.frames, timeline.fps)
    if np.allclose(timeline.timecodes, regular.times(), rtol=0, atol=1e-6):
        return regular
    return FrameGrid(timeline.frames, timeline.fps, timeline.timecodes)

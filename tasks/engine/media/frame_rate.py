"""From the presentation times of a video's frames to its frame grid: constant rate, or each frame its own time."""

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from tasks.engine.core.constants import ASSUMED_FPS
from tasks.engine.core.frames import FrameGrid

STANDARD_RATES = tuple(Fraction(rate) for rate in (24, 25, 30, 48, 50, 60, 100, 120)) + tuple(
    Fraction(rate * 1000, 1001) for rate in (24, 30, 48, 60, 120)
)

CLOCK_SEC = 1e-3
"""Matroska and FLV round to 1 ms, and the rounding survives copying into containers with a finer clock."""

MAX_TICK_FRAMES = Fraction(1, 3)
"""A clock whose tick is a longer part of a frame than this has times of its own, not rounded ones."""


def frame_grid(
    count: int, ticks: Sequence[int] | None, time_base: Fraction, rates: Sequence[Fraction]
) -> tuple[FrameGrid, bool]:
    """Return the grid of the shown frames, and whether its rate had to be assumed.

    Args:
        count: number of frames.
        ticks: (count,) presentation times in units of ``time_base``, in any order; None where the container has none.
        time_base: seconds per tick.
        rates: what the container and its codec say the rate is, most trusted first; may be empty.
    """
    if ticks is None or count == 1:
        return FrameGrid(count, rates[0] if rates else ASSUMED_FPS), not rates
    ordered: NDArray[np.int64] = np.sort(np.asarray(ticks, dtype=np.int64))
    ordered -= ordered[0]
    measured = _measured(ordered, time_base)
    for rate in sorted([*rates, *STANDARD_RATES, measured], key=_unusual):
        if _fits(ordered, time_base, rate):
            return FrameGrid(count, rate), False
    return FrameGrid(count, measured, ordered * np.float64(time_base)), False


def audio_only_grid(duration_sec: float) -> FrameGrid:
    """Return as many frames at the assumed rate as cover a recording without picture."""
    # 5.0000000001 s, a rounding error, is 125 frames and not 126.
    return FrameGrid(math.ceil(duration_sec * float(ASSUMED_FPS) - 1e-6), ASSUMED_FPS)


def _measured(ordered: NDArray[np.int64], time_base: Fraction) -> Fraction:
    """Average the rate over (n,) sorted times in ticks, the first at 0."""
    span = int(ordered[-1]) * time_base
    return ((len(ordered) - 1) / span).limit_denominator(10**6) if span else ASSUMED_FPS


def _unusual(rate: Fraction) -> bool:
    """Sort rates that nobody films at last: a rounded container offers 1439600/48037 where 30000/1001 fits as well."""
    return rate.denominator not in (1, 1001)


def _fits(ordered: NDArray[np.int64], time_base: Fraction, rate: Fraction) -> bool:
    """Tell whether every frame lies where a constant rate puts it, but for the rounding of the container's clock."""
    # A clock that ticks about once a frame, as AVI's does, rounds nothing: there what is uneven is meant so.
    if time_base > MAX_TICK_FRAMES / rate and np.ptp(np.diff(ordered)):
        return False
    rounding = min(max(float(time_base), CLOCK_SEC) * 1.01, 0.49 / float(rate))
    ideal = np.arange(len(ordered)) * float(1 / rate)
    return bool(np.max(np.abs(ordered * float(time_base) - ideal)) <= rounding)

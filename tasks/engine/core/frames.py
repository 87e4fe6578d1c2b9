"""The video's own frames on the time axis, and which speakers are active in each."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from tasks.engine.core.errors import UsageError
from tasks.engine.core.finite import finite_float
from tasks.engine.core.turns import Turn

RATIONAL = re.compile(r"0*[1-9]\d{0,11}(/0*[1-9]\d{0,11})?", re.ASCII)
NTSC_NOMINAL = (15, 24, 30, 48, 60, 120)
NTSC_PRINTED = Fraction(2, 10_000)
"""How far a printed NTSC rate may lie from the exact one, relative: 23.98 for 24000/1001."""


@dataclass(frozen=True, slots=True)
class FrameGrid:
    """When each video frame shows. Frames count from 1; second 0 is the first frame's presentation time.

    Attributes:
        count: number of frames that the container holds.
        fps: frame rate as a rational; the average rate when ``pts`` is given.
        pts: (count,) float64 presentation times in seconds where the rate varies, else None: frame n shows at
            (n - 1) / fps.
        end_sec: when the last frame ends, where ``pts`` is given and that is known; else it shows for 1 / fps.
    """

    count: int
    fps: Fraction
    pts: NDArray[np.float64] | None = None
    end_sec: float | None = None

    def times(self, first: int = 0, stop: int | None = None) -> NDArray[np.float64]:
        """Return the presentation times in seconds of frames ``first`` to ``stop`` (0-based, half-open)."""
        stop = self.count if stop is None else min(stop, self.count)
        if self.pts is not None:
            return self.pts[first:stop]
        frames = np.arange(first, stop, dtype=np.float64)
        seconds: NDArray[np.float64] = frames * self.fps.denominator / self.fps.numerator
        return seconds

    def centres(self, first: int = 0, stop: int | None = None) -> NDArray[np.float64]:
        """Return the middle of the interval in which each frame shows, in seconds."""
        stop = self.count if stop is None else min(stop, self.count)
        if self.pts is None:
            half_frames = 2 * np.arange(first, stop, dtype=np.float64) + 1
            seconds: NDArray[np.float64] = half_frames * self.fps.denominator / (2 * self.fps.numerator)
            return seconds
        ends: NDArray[np.float64] = np.append(self.pts[first + 1 : stop + 1], self._last_end())[: stop - first]
        return (self.pts[first:stop] + ends) / 2

    @property
    def duration(self) -> float:
        """Seconds from the first frame's start to the last frame's end."""
        return float(self.count / self.fps) if self.pts is None else self._last_end()

    def _last_end(self) -> float:
        assert self.pts is not None  # noqa: S101  # narrowing for the type checker; only called with pts
        if self.end_sec is not None:
            return self.end_sec
        return float(self.pts[-1] + 1 / self.fps) if len(self.pts) else 0.0


def rate_of(value: object) -> Fraction:
    """Parse a frame rate: a number, or a rational such as ``"30000/1001"``, which is kept as it is.

    The NTSC rates, n * 1000 / 1001, are usually printed with two or three decimals (29.97, 23.976): a number within
    2e-4 of one of them means it. 24, 30 and their kind are five times farther away.

    Raises:
        UsageError: not a positive, finite number.
    """
    rate = _rational(value)
    if rate is None or rate <= 0:
        raise UsageError(f"{value!r} is not a frame rate: a positive number or a rational such as 30000/1001 would be.")
    return rate


def _rational(value: object) -> Fraction | None:
    if isinstance(value, Fraction):
        return value
    if isinstance(value, str) and RATIONAL.fullmatch(value):
        return Fraction(value)
    try:
        rate = Fraction(str(value)) if isinstance(value, int | float) and finite_float(value) else Fraction(0)
    except ValueError:  # NaN, infinities, integers beyond any float, True
        return None
    ntsc = (Fraction(nominal * 1000, 1001) for nominal in NTSC_NOMINAL)
    return next((exact for exact in ntsc if abs(rate - exact) <= exact * NTSC_PRINTED), rate.limit_denominator(10**6))


def activity(turns: Sequence[Turn], speakers: Sequence[str], centres: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return (frames, speakers) bool: whether a frame's centre lies in [start, end) of a turn of that speaker.

    Args:
        turns: in any order.
        speakers: labels of the columns.
        centres: (frames,) seconds, ascending.
    """
    active = np.zeros((len(centres), len(speakers)), dtype=bool, order="F")
    column = {speaker: k for k, speaker in enumerate(speakers)}
    # One search for all turns: per turn it would cost more than the marking, ten hours being thousands of turns.
    firsts = np.searchsorted(centres, [turn.start for turn in turns], side="left")
    stops = np.searchsorted(centres, [turn.end for turn in turns], side="left")
    for k in np.flatnonzero(firsts < stops).tolist():
        active[firsts[k] : stops[k], column[turns[k].speaker]] = True
    return active

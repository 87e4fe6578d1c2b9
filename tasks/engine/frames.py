"""The video's own frames on the time axis, and which speakers are active in each."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from tasks.engine.turns import Turn


@dataclass(frozen=True, slots=True)
class FrameGrid:
    """When each video frame shows. Frames count from 1; second 0 is the first frame's presentation time.

    count: number of frames the container holds.
    fps: frame rate as a rational (the average rate when ``pts`` is given).
    pts: (count,) float64 presentation times in seconds for variable frame rate, else None (frame n shows at (n-1)/fps).
    """

    count: int
    fps: Fraction
    pts: NDArray[np.float64] | None = None

    def times(self, first: int = 0, stop: int | None = None) -> NDArray[np.float64]:
        """Presentation time in seconds of frames ``first`` to ``stop`` (0-based, half-open)."""
        stop = self.count if stop is None else min(stop, self.count)
        if self.pts is not None:
            return self.pts[first:stop]
        return np.arange(first, stop, dtype=np.float64) * self.fps.denominator / self.fps.numerator

    def centres(self, first: int = 0, stop: int | None = None) -> NDArray[np.float64]:
        """Middle of the interval in which each frame shows, in seconds."""
        stop = self.count if stop is None else min(stop, self.count)
        if self.pts is None:
            half_frames = 2 * np.arange(first, stop, dtype=np.float64) + 1
            return half_frames * self.fps.denominator / (2 * self.fps.numerator)
        ends = np.append(self.pts[first + 1 : stop + 1], self._last_end())[: stop - first]
        return (self.pts[first:stop] + ends) / 2

    @property
    def duration(self) -> float:
        """Seconds from the first frame's start to the last frame's end."""
        return float(self.count / self.fps) if self.pts is None else self._last_end()

    def _last_end(self) -> float:
        assert self.pts is not None  # noqa: S101  # narrowing for the type checker; only called with pts
        return float(self.pts[-1] + 1 / self.fps) if len(self.pts) else 0.0


def activity(turns: Sequence[Turn], speakers: Sequence[str], centres: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(frames, speakers) bool: is the frame's centre inside [start, end) of a turn of that speaker?"""
    active = np.zeros((len(centres), len(speakers)), dtype=bool)
    column = {speaker: k for k, speaker in enumerate(speakers)}
    for turn in turns:
        first, stop = np.searchsorted(centres, (turn.start, turn.end), side="left")
        active[first:stop, column[turn.speaker]] = True
    return active

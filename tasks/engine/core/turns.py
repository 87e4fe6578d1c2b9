"""Who speaks when, in seconds: the one internal form that every file format converts to and from."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, order=True)
class Turn:
    """One speech turn of one speaker.

    Attributes:
        start: seconds.
        end: seconds; the turn is the half-open [start, end).
        speaker: the label.
        mean_score: mean speech score over the turn, 0 to 1; does not count in comparisons.
    """

    start: float
    end: float
    speaker: str
    mean_score: float = field(default=0.0, compare=False)

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.end - self.start


def end_at(turns: Iterable[Turn], seconds: float) -> Iterator[Turn]:
    """Cut turns off where a recording ends; those that begin there or later are left out."""
    return (replace(turn, end=min(turn.end, seconds)) for turn in turns if turn.start < seconds)


def within(turns: Iterable[Turn], others: Iterable[Turn]) -> Iterator[Turn]:
    """Keep the turns that begin in a turn of the same speaker; those of `others` do not overlap one another."""
    of_speaker: dict[str, list[Turn]] = {}
    for other in sorted(others):
        of_speaker.setdefault(other.speaker, []).append(other)
    for turn in turns:
        around = of_speaker.get(turn.speaker, [])
        place = bisect_right(around, turn.start, key=lambda other: other.start) - 1
        if place >= 0 and turn.start < around[place].end:
            yield turn


@dataclass(frozen=True, slots=True)
class SpeechScores:
    """Speech probability on the model's own frame grid.

    Attributes:
        values: (frames,) float32, 0 to 1.
        start: seconds, the centre of frame 0.
        step: seconds from one centre to the next.
    """

    values: NDArray[np.float32]
    start: float
    step: float

    def at(self, seconds: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the score of the model frame nearest to each of (n,) instants; 0 beyond the analysed audio."""
        if not len(self.values):
            return np.zeros(len(seconds), dtype=np.float32)
        index = np.rint((seconds - self.start) / self.step).astype(np.int64)
        inside = (index >= 0) & (index < len(self.values))
        return np.where(inside, self.values[np.clip(index, 0, len(self.values) - 1)], np.float32(0)).astype(np.float32)

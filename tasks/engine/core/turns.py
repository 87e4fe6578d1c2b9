"""Who speaks when, in seconds: the one internal form that every file format converts to and from."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, order=True)
class Turn:
    """One stretch of one speaker, [start, end) in seconds."""

    start: float
    end: float
    speaker: str
    mean_score: float = field(default=0.0, compare=False)
    """Mean speech score over the turn, 0 to 1."""

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class SpeechScores:
    """Speech probability on the model's own frame grid.

    values: (frames,) float32, 0 to 1. Frame i is centred at ``start + i * step`` seconds.
    """

    values: NDArray[np.float32]
    start: float
    step: float

    def at(self, seconds: NDArray[np.float64]) -> NDArray[np.float32]:
        """Score of the model frame nearest to each instant; 0 beyond the analysed audio."""
        if not len(self.values):
            return np.zeros(len(seconds), dtype=np.float32)
        index = np.rint((seconds - self.start) / self.step).astype(np.int64)
        inside = (index >= 0) & (index < len(self.values))
        return np.where(inside, self.values[np.clip(index, 0, len(self.values) - 1)], np.float32(0)).astype(np.float32)

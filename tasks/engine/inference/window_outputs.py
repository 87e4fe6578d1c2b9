"""What the networks gave, window by window: what follows is arithmetic on the CPU, the same for every device."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

HEARD = 0.2
"""Of a window's frames: whoever speaks alone for less is not clustered. pyannote's `min_active_ratio`."""


@dataclass(frozen=True, slots=True)
class WindowOutputs:
    """Outputs of both networks for windows of a file.

    Attributes:
        speech: (windows, frames) float32, the probability of speech.
        decisions: (windows, frames, speakers) uint8, who is active.
        embeddings: (windows, speakers, dimension) float32; of dimension 0 where nobody speaks in any window.
    """

    speech: NDArray[np.float32]
    decisions: NDArray[np.uint8]
    embeddings: NDArray[np.float32]

    @classmethod
    def of(cls, speech: NDArray[np.float32], decisions: NDArray[Any]) -> Self:
        """Hold segmentation's outputs; embeddings may follow."""
        windows, _, speakers = decisions.shape
        return cls(speech, decisions.astype(np.uint8), np.empty((windows, speakers, 0), np.float32))

    def __len__(self) -> int:
        return len(self.speech)

    def at(self, numbers: NDArray[np.int64]) -> Self:
        """Return the outputs of some windows alone."""
        return type(self)(self.speech[numbers], self.decisions[numbers], self.embeddings[numbers])

    def misshapen(self, windows: int, like: Self) -> str:
        """Say which output is not as many or not as large as it should be; nothing where all are.

        Args:
            windows: how many there should be.
            like: what one window's outputs look like. Embeddings may have no dimension on either side.
        """
        for name in ("speech", "decisions", "embeddings"):
            found, wanted = getattr(self, name).shape, (windows, *getattr(like, name).shape[1:])
            sizes = 2 if name == "embeddings" and not (found[-1] and wanted[-1]) else len(wanted)
            if found[:sizes] != wanted[:sizes]:
                return f"{name} have the shape {found}, expected {wanted}"
        return ""

    @property
    def talking(self) -> NDArray[np.bool_]:
        """(windows, speakers): who speaks in a window at all."""
        return np.asarray(self.decisions.any(axis=1))

    @property
    def heard(self) -> NDArray[np.bool_]:
        """(windows, speakers): who speaks alone for long enough to be told by the embedding."""
        alone = self.decisions.sum(axis=2, keepdims=True) == 1
        clear: NDArray[np.bool_] = (self.decisions * alone).sum(axis=1) >= HEARD * self.decisions.shape[1]
        return clear


@dataclass(frozen=True, slots=True)
class Recomputed:
    """Some windows of a file through the networks again.

    Attributes:
        numbers: (chosen,) their places in the file.
        outputs: what the networks gave for them.
        windows: of the whole file.
        seconds: spent.
    """

    numbers: NDArray[np.int64]
    outputs: WindowOutputs
    windows: int
    seconds: float


Choice = Callable[[int, int], NDArray[np.int64]]
"""From the windows of a file and how many see the same second to the places of those to compute, ascending."""

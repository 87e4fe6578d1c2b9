"""What a timeline says in a few numbers."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNNAMED = "UNNAMED"
"""Who speaks in a frame that has speech and no label, as files from elsewhere do."""


@dataclass(frozen=True, slots=True)
class SpeakerShare:
    """How much one speaker speaks."""

    name: str
    seconds: float
    percent: float
    """Of the frames with speech; overlapping speech makes the sum exceed 100."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Speech and speakers of one timeline."""

    frames: int
    speech_frames: int
    percent: float
    """Of all frames; 0 where there is no frame."""
    first_speech_sec: float | None
    speakers: tuple[SpeakerShare, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form, as stored in the files' metadata."""
        return asdict(self)


@dataclass(slots=True)
class SummaryAccumulator:
    """Adds up a summary while batches pass by.

    fps: frame rate; a frame counts 1/fps seconds (the average, where the rate varies).
    """

    fps: Fraction
    _frames: int = 0
    _speech: int = 0
    _first: float | None = None
    _voices: dict[str, int] = field(default_factory=dict)

    def add(
        self,
        times: NDArray[np.float64],
        speech: NDArray[np.bool_],
        names: Sequence[str],
        active: NDArray[np.bool_],
    ) -> None:
        """Count further frames: times and speech (n,), active (n, S) with one column per name."""
        self._frames += len(speech)
        self._speech += int(np.count_nonzero(speech))
        if self._first is None and speech.any():
            self._first = float(times[np.argmax(speech)])
        unnamed = np.count_nonzero(speech & ~active.any(axis=1))
        for name, count in [*zip(names, np.count_nonzero(active, axis=0), strict=True), (UNNAMED, unnamed)]:
            if count:
                self._voices[name] = self._voices.get(name, 0) + int(count)

    def summary(self) -> Summary:
        """Everything counted so far."""
        return Summary(
            frames=self._frames,
            speech_frames=self._speech,
            percent=100 * self._speech / max(self._frames, 1),
            first_speech_sec=self._first,
            speakers=tuple(
                SpeakerShare(name, float(count / self.fps), 100 * count / max(self._speech, 1))
                for name, count in sorted(self._voices.items())
            ),
        )

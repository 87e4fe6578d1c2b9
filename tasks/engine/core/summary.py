"""Speech and speakers of a timeline in a few numbers."""

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
    """How much one speaker speaks.

    Attributes:
        name: the label.
        seconds: frames of the speaker divided by the frame rate.
        percent: of the frames with speech; overlapping speech makes the sum exceed 100.
    """

    name: str
    seconds: float
    percent: float


@dataclass(frozen=True, slots=True)
class Summary:
    """Speech and speakers of one timeline.

    Attributes:
        frames: number of frames.
        speech_frames: number of those with speech.
        percent: their share of all frames; 0 where there is no frame.
        first_speech_sec: presentation time of the first of them, None where there is none.
        speakers: one share each, sorted by name.
    """

    frames: int
    speech_frames: int
    percent: float
    first_speech_sec: float | None
    speakers: tuple[SpeakerShare, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON-ready form, as stored in the files' metadata."""
        return asdict(self)


@dataclass(slots=True)
class SummaryAccumulator:
    """Accumulates a summary over batches of frames.

    Attributes:
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
        """Count further frames.

        Args:
            times: (n,) seconds.
            speech: (n,) whether anyone speaks.
            names: S labels.
            active: (n, S) whether that speaker speaks.
        """
        self._frames += len(speech)
        self._speech += int(np.count_nonzero(speech))
        if self._first is None and speech.any():
            self._first = float(times[np.argmax(speech)])
        unnamed = np.count_nonzero(speech & ~active.any(axis=1))
        for name, count in [*zip(names, np.count_nonzero(active, axis=0), strict=True), (UNNAMED, unnamed)]:
            if count:
                self._voices[name] = self._voices.get(name, 0) + int(count)

    def summary(self) -> Summary:
        """Return the summary of everything counted so far."""
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

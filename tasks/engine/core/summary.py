"""Speech and speakers of a timeline in a few numbers."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.engine.core.turns import Turn

UNNAMED = "UNNAMED"
"""Who speaks in a frame that has speech and no label, as files from elsewhere do."""

ROUNDED_SEC = 1.01e-3
"""How far a frame's time may lie from a constant rate's: containers and exchange formats round to 1 ms."""

LONGEST = 2.0**30
"""Seconds, 34 years: what a damaged file says beyond them would not add up."""


@dataclass(frozen=True, slots=True)
class SpeakerShare:
    """How much one speaker speaks.

    Attributes:
        name: the label.
        seconds: how long the speaker speaks: the frames' time, or that of the turns where the rate varies.
        percent: of the seconds with speech; overlapping speech makes the sum exceed 100.
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
        speech_sec: how long anyone speaks, likewise.
        time_percent: their share of the duration: `percent`, but where the rate varies and a frame may show for long.
    """

    frames: int
    speech_frames: int
    percent: float
    first_speech_sec: float | None
    speakers: tuple[SpeakerShare, ...]
    speech_sec: float
    time_percent: float

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON-ready form, as stored in the files' metadata."""
        return asdict(self)


def with_turns(summary: Summary, turns: Sequence[Turn], duration: float) -> Summary:
    """Let turns say how long each speaker speaks, where the rate varies: a frame may show for longer than a turn.

    Args:
        summary: of the frames that the turns were laid on.
        turns: in any order; what lies outside of 0 to ``duration`` does not count.
        duration: seconds of the video.
    """
    spans: dict[str, list[tuple[float, float]]] = {}
    for turn in turns:
        spans.setdefault(turn.speaker, []).append((max(turn.start, 0.0), min(turn.end, duration)))
    speech = _covered([span for of_one in spans.values() for span in of_one])
    seconds = {name: _covered(of_one) for name, of_one in sorted(spans.items())}
    shares = (SpeakerShare(name, length, 100 * length / speech) for name, length in seconds.items() if length)
    return replace(
        summary, speakers=tuple(shares), speech_sec=speech, time_percent=100 * speech / duration if duration else 0.0
    )


def _covered(spans: list[tuple[float, float]]) -> float:
    """Return the seconds that lie in at least one of the (start, end)."""
    total = reached = 0.0
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


@dataclass(slots=True)
class Amount:
    """Frames, and how long they show.

    Attributes:
        frames: how many.
        microseconds: whole ones, so that the sum is the same however frames come in batches.
    """

    frames: int = 0
    microseconds: int = 0


@dataclass(slots=True)
class SummaryAccumulator:
    """Accumulates a summary over batches of frames. A frame shows until the next one, the last one for 1/fps seconds.

    Attributes:
        fps: frame rate, the average where it varies.
    """

    fps: Fraction
    _all: Amount = field(default_factory=Amount)
    _speech: Amount = field(default_factory=Amount)
    _voices: dict[str, Amount] = field(default_factory=dict)
    _first: float | None = None
    _constant: bool = True
    _last_time: int | None = None
    _last_shown: list[Amount] = field(default_factory=list)

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
        if not len(times):
            return
        even = np.arange(self._all.frames, self._all.frames + len(times)) / float(self.fps)
        self._constant &= bool(np.all(np.abs(times - even) <= ROUNDED_SEC))
        if self._first is None and speech.any():
            self._first = float(times[np.argmax(speech)])
        clock = (np.clip(np.nan_to_num(times), -LONGEST, LONGEST) * 1e6).round().astype(np.int64)
        self._end_last(int(clock[0]))
        unnamed = speech & ~active.any(axis=1)
        shown = [(self._all, np.ones_like(speech)), (self._speech, speech)]
        shown += [
            (self._voice(name), column) for name, column in [*zip(names, active.T, strict=True), (UNNAMED, unnamed)]
        ]
        for amount, column in shown:
            amount.frames += int(np.count_nonzero(column))
            amount.microseconds += int(np.diff(clock)[column[:-1]].sum())
        self._last_time, self._last_shown = int(clock[-1]), [amount for amount, column in shown if column[-1]]

    def _voice(self, name: str) -> Amount:
        return self._voices.setdefault(name, Amount())

    def _end_last(self, clock: int) -> None:
        """Let the last frame end at this microsecond."""
        for amount in self._last_shown:
            amount.microseconds += clock - (self._last_time or 0)
        self._last_shown = []

    def _seconds(self, amount: Amount) -> float:
        # At a constant rate exactly the quotient, whatever the container's clock has made of the frames' times.
        return float(amount.frames / self.fps) if self._constant else amount.microseconds / 1e6

    def _percent(self, part: Amount, whole: Amount) -> float:
        if self._constant:
            return 100 * part.frames / max(whole.frames, 1)
        return 100 * part.microseconds / max(whole.microseconds, 1)

    def summary(self) -> Summary:
        """Return the summary of all that was counted; nothing may be added afterwards."""
        self._end_last((self._last_time or 0) + round(1e6 / self.fps))
        voices = [(name, amount) for name, amount in sorted(self._voices.items()) if amount.frames]
        return Summary(
            frames=self._all.frames,
            speech_frames=self._speech.frames,
            percent=100 * self._speech.frames / max(self._all.frames, 1),
            first_speech_sec=self._first,
            speakers=tuple(
                SpeakerShare(name, self._seconds(amount), self._percent(amount, self._speech))
                for name, amount in voices
            ),
            speech_sec=self._seconds(self._speech),
            time_percent=self._percent(self._speech, self._all),
        )

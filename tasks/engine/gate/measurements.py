"""How far two timelines of the same frames lie apart: measurements only, no limits.

Everything is symmetric: exchanging the two timelines changes no value, only which side a detail speaks of.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.engine.core.constants import STRETCH_SEC
from tasks.engine.core.timeline import Timeline
from tasks.engine.gate.speakers import SpeakerAgreement, compare_speakers

TIE = 1e-3
"""A score this close to the threshold is no decision."""

_FLOAT32_DECIMALS = 6
"""Scores are float32: differences of digits beyond these are noise, which must not decide at a limit."""


class Stretch(NamedTuple):
    """The window of frames in which most of them differ."""

    percent: float
    start_sec: float
    end_sec: float
    first_frame: int
    last_frame: int


class ScoreAgreement(NamedTuple):
    """Differences of the speech scores, 0 to 1."""

    largest: float
    largest_frame: int
    p99: float
    ties: int
    """Flipped frames whose scores lie within `TIE` of the threshold on both sides."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """All measurements between a reference and a candidate. Percentages are 0 to 100."""

    frames: int
    first_reference_sec: float | None
    first_candidate_sec: float | None
    first_offset_sec: float
    """Infinite where only one side has speech."""
    reference_percent: float
    candidate_percent: float
    percent_difference: float
    flipped: int
    flipped_percent: float
    worst_stretch: Stretch
    speakers: SpeakerAgreement
    scores: ScoreAgreement | None
    """None where a side has no scores."""


def measure(reference: Timeline, candidate: Timeline, threshold: float = 0.5) -> Agreement:
    """Measure two timelines that share frame count and rate, and have at least one frame.

    threshold: score at which a frame is speech.
    """
    flips = reference.speech != candidate.speech
    flipped = int(np.count_nonzero(flips))
    speech = int(np.count_nonzero(reference.speech)), int(np.count_nonzero(candidate.speech))
    # Both sides on the reference's clock: the same frame is the same instant.
    first = _first(reference.speech, reference.timecodes), _first(candidate.speech, reference.timecodes)
    return Agreement(
        frames=len(flips),
        first_reference_sec=first[0],
        first_candidate_sec=first[1],
        first_offset_sec=_offset(*first),
        reference_percent=_percent(speech[0], len(flips)),
        candidate_percent=_percent(speech[1], len(flips)),
        percent_difference=_percent(abs(speech[0] - speech[1]), len(flips)),
        flipped=flipped,
        flipped_percent=_percent(flipped, len(flips)),
        worst_stretch=_worst_stretch(flips, reference),
        speakers=compare_speakers(reference.voices(), candidate.voices()),
        scores=_compare_scores(reference.scores, candidate.scores, flips, threshold),
    )


def _percent(part: int, whole: int) -> float:
    # One division of whole numbers: 5 of 1000 is 0.5 and not 0.5000000001, so that a value at its limit is at it.
    return 100 * part / whole


def _first(speech: NDArray[np.bool_], timecodes: NDArray[np.float64]) -> float | None:
    """Seconds of the first frame with speech."""
    return float(timecodes[np.argmax(speech)]) if speech.any() else None


def _offset(first: float | None, second: float | None) -> float:
    if first is None or second is None:
        return 0.0 if first is second else float("inf")
    return abs(first - second)


def _worst_stretch(flips: NDArray[np.bool_], clock: Timeline) -> Stretch:
    """The 30 s window, at the average rate, with most flips; the first of equals; a shorter video is one window."""
    width = min(max(round(STRETCH_SEC * clock.fps), 1), len(flips))
    total = np.append(0, np.cumsum(flips))
    inside = total[width:] - total[:-width]
    first = int(np.argmax(inside))
    last = first + width - 1
    return Stretch(
        percent=_percent(int(inside[first]), width),
        start_sec=float(clock.timecodes[first]),
        end_sec=float(clock.timecodes[last] + 1 / clock.fps),
        first_frame=first + 1,
        last_frame=last + 1,
    )


def _compare_scores(
    reference: NDArray[np.float32] | None,
    candidate: NDArray[np.float32] | None,
    flips: NDArray[np.bool_],
    threshold: float,
) -> ScoreAgreement | None:
    if reference is None or candidate is None:
        return None
    difference = np.abs(reference.astype(np.float64) - candidate)
    # Nearest rank: the smallest difference that at least 99 % of the frames do not exceed.
    rank = -(-99 * len(difference) // 100) - 1
    undecided = (_distance(reference, threshold) <= TIE) & (_distance(candidate, threshold) <= TIE)
    return ScoreAgreement(
        largest=round(float(difference.max()), _FLOAT32_DECIMALS),
        largest_frame=int(np.argmax(difference)) + 1,
        p99=round(float(np.partition(difference, rank)[rank]), _FLOAT32_DECIMALS),
        ties=int(np.count_nonzero(flips & undecided)),
    )


def _distance(scores: NDArray[np.float32], threshold: float) -> NDArray[np.float64]:
    distance: NDArray[np.float64] = np.abs(scores.astype(np.float64) - threshold)
    return np.round(distance, _FLOAT32_DECIMALS)

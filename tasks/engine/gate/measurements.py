"""The differences between two timelines of the same frames: measurements only, no limits.

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
"""Largest distance of a speech score (0 to 1) from the threshold that counts as undecided."""

CLOCK_SEC = 1e-3
"""Containers round times of frames to a millisecond."""

_FLOAT32_DECIMALS = 6
"""Scores are float32: differences of digits beyond these are noise, which must not decide at a limit."""


class Stretch(NamedTuple):
    """The window of `STRETCH_SEC` of whose frames most differ.

    Attributes:
        percent: of the window's frames that differ, 0 to 100.
        start_sec: when its first frame shows.
        end_sec: when its last frame ends.
        first_frame: counted from 1.
        last_frame: counted from 1, the last one inside.
    """

    percent: float
    start_sec: float
    end_sec: float
    first_frame: int
    last_frame: int


class ScoreAgreement(NamedTuple):
    """Absolute differences of the speech scores, 0 to 1.

    Attributes:
        largest: of any frame.
        largest_frame: where it is, counted from 1.
        p99: 99th percentile, nearest rank.
        ties: flipped frames whose scores lie within `TIE` of the threshold on both sides.
    """

    largest: float
    largest_frame: int
    p99: float
    ties: int


@dataclass(frozen=True, slots=True)
class Agreement:
    """All measurements between a reference and a candidate. Percentages are 0 to 100.

    Attributes:
        frames: compared.
        first_reference_sec: start of the reference's first frame with speech; None where it has none.
        first_candidate_sec: likewise of the candidate, on the reference's clock.
        first_offset_sec: distance between the two; infinite where only one side has speech.
        reference_percent: of the reference's frames that have speech.
        candidate_percent: of the candidate's.
        percent_difference: distance between the two, in points.
        flipped: frames that have speech on one side only.
        flipped_percent: of all frames.
        worst_stretch: where most frames are flipped.
        speakers: error rates and mapping.
        scores: differences of the speech scores; None where a side has none.
    """

    frames: int
    first_reference_sec: float | None
    first_candidate_sec: float | None
    first_offset_sec: float
    reference_percent: float
    candidate_percent: float
    percent_difference: float
    flipped: int
    flipped_percent: float
    worst_stretch: Stretch
    speakers: SpeakerAgreement
    scores: ScoreAgreement | None


def measure(reference: Timeline, candidate: Timeline, threshold: float = 0.5) -> Agreement:
    """Measure two timelines that share frame count and rate, and have at least one frame.

    Args:
        reference: whose clock is used.
        candidate: what is held against it.
        threshold: speech score at which a frame is speech, 0 to 1.
    """
    flips = reference.speech != candidate.speech
    flipped = int(np.count_nonzero(flips))
    speech = int(np.count_nonzero(reference.speech)), int(np.count_nonzero(candidate.speech))
    # Both sides on the reference's clock: the same frame is the same instant.
    first = (
        _first_speech_sec(reference.speech, reference.timecodes),
        _first_speech_sec(candidate.speech, reference.timecodes),
    )
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
        worst_stretch=worst_stretch(flips, reference),
        speakers=compare_speakers(reference.voices(), candidate.voices()),
        scores=_compare_scores(reference.scores, candidate.scores, flips, threshold),
    )


def worst_stretch(differing: NDArray[np.bool_], clock: Timeline) -> Stretch:
    """Find the window of `STRETCH_SEC` of whose frames most differ; the first of equals.

    Args:
        differing: (frames,) bool, at least one frame.
        clock: gives the frames' times. A shorter video is one window.
    """
    starts, ends = _windows(clock)
    total = np.append(0, np.cumsum(differing))
    inside, widths = total[ends] - total[starts], ends - starts
    worst = int(np.argmax(inside / widths))
    first, last = int(starts[worst]), int(ends[worst]) - 1
    return Stretch(
        percent=_percent(int(inside[worst]), int(widths[worst])),
        start_sec=float(clock.timecodes[first]),
        end_sec=float(clock.timecodes[last] + 1 / clock.fps),
        first_frame=first + 1,
        last_frame=last + 1,
    )


def _windows(clock: Timeline) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return first frame, and frame behind the last, of every window, counted from 0.

    At a constant rate all have the same number of frames. Where the rate varies they have what shows in `STRETCH_SEC`;
    frames that no such window reaches are in one that ends with the video.
    """
    if clock.is_regular:
        width = min(max(round(STRETCH_SEC * clock.fps), 1), clock.frames)
        starts = np.arange(clock.frames - width + 1)
        return starts, starts + width
    times = np.maximum.accumulate(np.nan_to_num(clock.timecodes))
    end = times[-1] + float(1 / clock.fps)
    starts = np.arange(max(1, np.searchsorted(times, end - STRETCH_SEC + CLOCK_SEC, side="right")))
    if times[starts[-1]] + STRETCH_SEC + CLOCK_SEC < end:
        starts = np.append(starts, starts[-1] + 1)
    return starts, np.searchsorted(times, times[starts] + STRETCH_SEC - CLOCK_SEC)


def _percent(part: int, whole: int) -> float:
    # One division of whole numbers: 5 of 1000 is 0.5 and not 0.5000000001, so that a value at its limit is at it.
    return 100 * part / whole


def _first_speech_sec(speech: NDArray[np.bool_], timecodes: NDArray[np.float64]) -> float | None:
    """Start of the first frame with speech; None where there is none."""
    return float(timecodes[np.argmax(speech)]) if speech.any() else None


def _offset(first: float | None, second: float | None) -> float:
    if first is None or second is None:
        return 0.0 if first is second else float("inf")
    return abs(first - second)


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

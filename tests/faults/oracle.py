"""What the limits say of two timelines, computed without the gate: plain loops, and pyannote.metrics for the rates.

The numbers are the promise to users and stand here a second time on purpose: a limit changed by accident shows.
"""

import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from pyannote.core import Annotation, Segment
from pyannote.core import Timeline as Extent
from pyannote.metrics.diarization import DiarizationErrorRate, JaccardErrorRate

from tasks.engine.core.timeline import Timeline

EXCLUSIVE = {"first_detection_offset_sec": 2.0, "speech_percent_difference": 5.0}
"""A value at the limit is beyond it."""
INCLUSIVE = {
    "flipped_frames_percent": 0.5,
    "worst_stretch_percent": 5.0,
    "der_percent": 1.0,
    "jer_percent": 2.0,
    "speaker_count_difference": 0.0,
    "max_score_difference": 0.25,
    "p99_score_difference": 0.02,
}
NOISE = 1e-6
"""Float noise at a limit is not beyond it."""


def beyond(reference: Timeline, candidate: Timeline) -> set[str] | None:
    """Names of the limits that are exceeded; None where the two cannot be compared at all."""
    if reference.frames != candidate.frames or abs(reference.fps / candidate.fps - 1) > 1e-5:
        return None
    if _audio(reference) != _audio(candidate):
        return None
    if (
        candidate.scores is None
        or not np.isfinite(candidate.scores).all()
        or not np.isfinite(candidate.timecodes).all()
    ):
        return None
    values = measured(reference, candidate)
    strict = {name for name, limit in EXCLUSIVE.items() if values[name] >= limit}
    return strict | {name for name, limit in INCLUSIVE.items() if values[name] > limit + NOISE}


def measured(reference: Timeline, candidate: Timeline) -> dict[str, float]:
    """Every criterion's value."""
    flips = [bool(trusted) != bool(judged) for trusted, judged in zip(reference.speech, candidate.speech, strict=True)]
    assert reference.scores is not None
    assert candidate.scores is not None
    apart = sorted(float(value) for value in np.abs(reference.scores - candidate.scores))
    return {
        "first_detection_offset_sec": _first_offset(reference, candidate),
        "speech_percent_difference": 100 * abs(int(reference.speech.sum()) - int(candidate.speech.sum())) / len(flips),
        "flipped_frames_percent": 100 * sum(flips) / len(flips),
        "worst_stretch_percent": _worst_stretch(flips, round(30 * reference.fps)),
        "der_percent": _both_ways(DiarizationErrorRate, reference, candidate),
        "jer_percent": _both_ways(JaccardErrorRate, reference, candidate),
        "speaker_count_difference": float(abs(len(_speakers(reference)) - len(_speakers(candidate)))),
        "max_score_difference": apart[-1],
        "p99_score_difference": apart[int(np.ceil(0.99 * len(apart))) - 1],
    }


def _audio(timeline: Timeline) -> str:
    return str(timeline.metadata.get("source", {}).get("samples_sha256", ""))


def _first_offset(reference: Timeline, candidate: Timeline) -> float:
    firsts = [np.flatnonzero(side.speech)[:1].tolist() for side in (reference, candidate)]
    if not all(firsts):
        return float("inf") if any(firsts) else 0.0
    return abs(firsts[0][0] - firsts[1][0]) / float(reference.fps)


def _worst_stretch(flips: list[bool], width: int) -> float:
    width = min(width, len(flips))
    return max(100 * sum(flips[first : first + width]) / width for first in range(len(flips) - width + 1))


def _speakers(timeline: Timeline) -> dict[str, NDArray[np.bool_]]:
    """Frames of each speaker who speaks at all; speech without a label is a speaker of its own."""
    voices = dict(zip(timeline.speakers, timeline.active.T, strict=True))
    voices["nobody knows"] = timeline.speech & ~timeline.active.any(axis=1)
    return {name: frames for name, frames in voices.items() if frames.any()}


def _annotation(timeline: Timeline) -> Annotation:
    """One second per frame, so that no rounding of times enters."""
    annotation = Annotation()
    for name, frames in _speakers(timeline).items():
        for first, stop in np.flatnonzero(np.diff(frames, prepend=False, append=False)).reshape(-1, 2).tolist():
            annotation[Segment(first, stop), name] = name
    return annotation


def _both_ways(rate: Callable[..., Callable[..., float]], reference: Timeline, candidate: Timeline) -> float:
    first, second = _annotation(reference), _annotation(candidate)
    if not first or not second:
        return 100.0 if first or second else 0.0
    whole = Extent([Segment(0, reference.frames)])
    with warnings.catch_warnings(action="ignore"):
        return 100 * max(rate(collar=0.0)(first, second, uem=whole), rate(collar=0.0)(second, first, uem=whole))

"""The decision: do candidate and reference agree within the tolerance?

Checks run in an order in which each makes the next meaningful: same audio, same frame count and rate, finite values,
then every criterion. What cannot be compared is never called coherent.
"""

from fractions import Fraction

import numpy as np

from tasks.engine.core.choices import Verdict
from tasks.engine.core.timeline import Timeline
from tasks.engine.gate.criteria import Criterion, criteria_of
from tasks.engine.gate.drift_report import DriftReport
from tasks.engine.gate.measurements import measure
from tasks.engine.gate.tolerance import Tolerance

SAME_RATE = Fraction(1, 100_000)
"""Relative difference of two frame rates that comes from printing them; 24 and 23.976 are a hundred times farther."""


def compare(
    reference: Timeline, candidate: Timeline, tolerance: Tolerance | None = None, threshold: float = 0.5
) -> DriftReport:
    """Decide whether a candidate agrees with its reference.

    Args:
        reference: what is trusted.
        candidate: what is judged.
        tolerance: the limits, the default ones where None.
        threshold: speech score at which a frame is speech, 0 to 1; it only says which flipped frames are ties.
    """
    tolerance = tolerance or Tolerance()
    notes = _remarks(reference, candidate)
    reason = _obstacle(reference, candidate)
    if reason:
        return DriftReport(Verdict.NOT_COMPARABLE, tolerance, reason=reason, notes=notes)
    agreement = measure(reference, candidate, threshold)
    criteria = criteria_of(agreement, tolerance, threshold)
    failed = any(criterion.passed is False for criterion in criteria)
    return DriftReport(
        Verdict.DRIFT if failed else Verdict.COHERENT,
        tolerance,
        criteria=criteria,
        notes=(*notes, *_unmeasured(criteria)),
        agreement=agreement,
    )


def _obstacle(reference: Timeline, candidate: Timeline) -> str | None:
    """Say why the two cannot be compared, or None."""
    audio = _audio_sha256(reference), _audio_sha256(candidate)
    if None not in audio and audio[0] != audio[1]:
        return f"They come from different audio: sha256 of the samples {audio[0]} and {audio[1]}."
    if reference.frames != candidate.frames:
        return f"The reference has {reference.frames} frames and the candidate {candidate.frames}."
    if abs(reference.fps - candidate.fps) > reference.fps * SAME_RATE:
        rates = f"{float(reference.fps):g} and the candidate at {float(candidate.fps):g}"
        return f"The reference runs at {rates} frames per second."
    if not reference.frames:
        return "Both hold no frame: there is nothing to compare."
    return _not_finite("reference", reference) or _not_finite("candidate", candidate)


def _audio_sha256(timeline: Timeline) -> str | None:
    """Read the checksum of the samples that a timeline says it comes from; None where it does not say."""
    source = timeline.metadata.get("source")
    stated = source.get("samples_sha256") if isinstance(source, dict) else None
    return str(stated) if stated else None


def _not_finite(side: str, timeline: Timeline) -> str | None:
    """Name the first column of a side that holds NaN or infinity, or None."""
    columns = {"timecode_sec": timeline.timecodes, "speech_score": timeline.scores}
    for name, values in columns.items():
        broken = np.flatnonzero(~np.isfinite(values)) if values is not None else np.empty(0, np.int64)
        if len(broken):
            first = f"first frame {int(broken[0]) + 1}"
            return f"The {side}'s {name} is not a finite number in {len(broken)} frames ({first})."
    return None


def _remarks(reference: Timeline, candidate: Timeline) -> tuple[str, ...]:
    """Say what a reader should know beside the criteria."""
    remarks = []
    sides = (("reference", reference), ("candidate", candidate))
    silent = " and ".join(side for side, timeline in sides if _audio_sha256(timeline) is None)
    if silent:
        remarks.append(f"That both come from the same audio could not be checked: no sha256 of it in the {silent}.")
    for side, timeline in sides:
        voices = np.count_nonzero(timeline.active, axis=1)
        contradictions = np.count_nonzero((voices != timeline.count) | ((voices > 0) & ~timeline.speech))
        if contradictions:
            remarks.append(
                f"The {side} contradicts itself in {contradictions} frames: count, labels and speech differ."
            )
    if reference.frames == candidate.frames:
        with np.errstate(invalid="ignore"):  # infinities are reported as the reason not to compare
            apart = np.abs(reference.timecodes - candidate.timecodes)
        shifted = np.count_nonzero(apart > float(1 / reference.fps) / 2)
        if shifted:
            remarks.append(
                f"Timecodes differ in {shifted} frames; frames are compared by number, on the reference's clock."
            )
    return tuple(remarks)


def _unmeasured(criteria: tuple[Criterion, ...]) -> tuple[str, ...]:
    names = [criterion.name for criterion in criteria if criterion.passed is None]
    return (f"Not measured, neither passed nor failed: {', '.join(names)}.",) if names else ()

"""The gate: may the candidate be published?"""

import logging
from dataclasses import replace
from pathlib import Path

from tasks.detection_rate import DetectionRate
from tasks.engine.core import log_lines
from tasks.engine.core.choices import FAILED, Decision, Verdict
from tasks.engine.core.timeline import Timeline, timeline_of
from tasks.engine.formats import turns_parquet
from tasks.engine.formats.detect import load_timeline
from tasks.engine.formats.turn_grid import grid_of
from tasks.engine.gate.drift_report import DriftReport
from tasks.engine.gate.findings import SpotCheck
from tasks.engine.gate.tolerance import Tolerance
from tasks.engine.gate.verdict import compare as hold_against
from tasks.inference_job import Outcome
from tasks.orchestration.stage import stage
from tasks.run import StagedTimeline

log = logging.getLogger("step4.compare")


def compare(
    outcome: Outcome,
    candidate: StagedTimeline,
    reference: StagedTimeline | None,
    threshold: float,
    checked: DriftReport | None = None,
) -> DriftReport:
    """Hold the candidate's tables against the reference's, as they lie on disk.

    Where there are turns with one speaker at a time, they must agree as well.

    Args:
        outcome: what computed the candidate. The reference's own device and precision is never called a pass.
        candidate: what would be published.
        reference: what it is held against, None where none was asked for or none is needed.
        threshold: speech score of the decision, which tells ties.
        checked: what a reference by sample said, where one was asked for. It decides where no doubt was left.

    Raises:
        StorageError: a table fails verification when read back.
    """
    timeline = load_timeline(candidate.timeline)
    if outcome.plan.is_reference:
        return DriftReport(Verdict.REFERENCE, Tolerance(), reason=reference_reason(outcome))
    if reference is None and checked is not None:
        return checked
    if reference is None:
        return DriftReport(Verdict.UNVERIFIED, Tolerance(), reason="published without a comparison, as asked")
    log.info(log_lines.COHERENCE_CHECK)
    trusted = load_timeline(reference.timeline)
    report = hold_against(trusted, timeline, threshold=threshold)
    if report.verdict is Verdict.COHERENT and candidate.exclusive and reference.exclusive:
        sides = (exclusive(trusted, reference.exclusive), exclusive(timeline, candidate.exclusive))
        report = worse(report, hold_against(*sides, threshold=threshold))
    if checked and checked.spot_check and checked.spot_check.doubts:
        report = with_doubts(report, checked.spot_check)
    if report.verdict is Verdict.COHERENT:
        offset = report.criterion("first_detection_offset_sec").value or 0.0
        log.info(log_lines.COHERENCE_PASSED, round(1000 * offset))
    else:
        log.error("%s", report.sentence)
    return report


def exclusive(timeline: Timeline, turns: Path) -> Timeline:
    """Lay the table of turns with one speaker at a time on a timeline's frames.

    Raises:
        StorageError: the table fails verification when read back.
    """
    alone = timeline_of(turns_parquet.read(turns), None, grid_of(timeline))
    return replace(alone, scores=timeline.scores, metadata=timeline.metadata)


def worse(report: DriftReport, of_exclusive: DriftReport) -> DriftReport:
    """Return the report on the turns with one speaker at a time where it failed, else the other."""
    if of_exclusive.verdict is Verdict.COHERENT:
        return report
    note = "These are the turns with one speaker at a time; the timelines themselves agree."
    return replace(of_exclusive, notes=(*of_exclusive.notes, note))


def with_doubts(report: DriftReport, check: SpotCheck) -> DriftReport:
    """Add to the report on the whole reference why a sample of it did not suffice."""
    asked = "A reference by sample was asked for; the whole one was computed, since"
    return replace(report, spot_check=check, notes=(*report.notes, *(f"{asked} {doubt}" for doubt in check.doubts)))


def reference_reason(outcome: Outcome) -> str:
    """Say why the output is the reference's own."""
    if outcome.name is None:
        return "no_audio_stream: there was nothing to compute"
    if outcome.plan.fallback_reason:
        return f"computed on CPU in FP32 after the device failed ({outcome.plan.fallback_reason})"
    return "computed on CPU in FP32, as the reference would be"


def decide(report: DriftReport, on_drift: str, rate: DetectionRate = DetectionRate.USUAL) -> Decision:
    """Decide what a verdict leads to.

    Only a measured drift can be waved through, and only a reference that repeats itself can be published instead.
    Where the detection rate was too low to be believed, it is the CPU's answer that is published, or none.
    """
    if report.verdict not in FAILED:
        return Decision.SUBSTITUTE if rate is DetectionRate.TOO_LOW else Decision.PUBLISH
    if on_drift == "substitute" and report.verdict is not Verdict.REFERENCE_NOT_REPEATABLE:
        log.warning("The CPU reference is published in the candidate's place")
        return Decision.SUBSTITUTE
    if on_drift == "warn" and report.verdict is Verdict.DRIFT and rate is DetectionRate.TOO_LOW:
        log.warning("The CPU reference is published: the candidate's detection rate is too low to be believed")
        return Decision.SUBSTITUTE
    if on_drift == "warn" and report.verdict is Verdict.DRIFT:
        log.warning("Published in spite of the drift (on_drift=warn)")
        return Decision.PUBLISH
    return Decision.REFUSE


compare_task = stage("compare")(compare)
decide_task = stage("decide")(decide)

"""On drift: which stage parted first, or does the reference not even equal itself?"""

import logging
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiles.settings import Configuration
from tasks.engine.core.choices import Verdict
from tasks.engine.core.errors import EngineError, UsageError
from tasks.engine.devices.plan import DevicePlan
from tasks.engine.diagnosis import patching
from tasks.engine.diagnosis.patching import Explainer
from tasks.engine.gate.drift_report import DriftReport
from tasks.engine.inference.types import Parameters
from tasks.inference_job import Outcome, silent_inference
from tasks.media import listen, probe_again
from tasks.orchestration.stage import stage

log = logging.getLogger("step4.explain")


def explain(
    report: DriftReport,
    outcome: Outcome,
    samples: Callable[[], NDArray[np.float32]],
    parameters: Parameters,
    explainer: Explainer,
) -> DriftReport:
    """Add to a report of drift the first stage that diverged; any other report is returned as it is.

    Args:
        report: the gate's.
        outcome: what computed the candidate.
        samples: gives (samples,) float32, mono, 16 kHz.
        parameters: as in the run.
        explainer: runs the patching experiments.

    Returns:
        The report with its localization, or with the verdict `reference_not_repeatable` where that was found.
        Where the experiments themselves fail, the drift stands and a note says so: a refusal never depends on them.
    """
    if report.verdict is not Verdict.DRIFT or report.agreement is None:
        return report
    stretch = report.agreement.worst_stretch
    log.info("Looking for the first stage that diverged: both sides are computed again on an excerpt")
    middle = (stretch.start_sec + stretch.end_sec) / 2
    try:
        explanation = explainer(samples(), middle, outcome.plan, parameters, report.tolerance)
    except Exception as error:  # whatever it is, it must not cost the refusal
        log.warning("The drift could not be located", exc_info=not isinstance(error, EngineError))
        return replace(report, notes=(*report.notes, f"The drift could not be located: {error}"))
    if not explanation.repeatable:
        reason = "the reference run twice does not equal itself on this machine, so nothing can be held against it"
        return replace(report, verdict=Verdict.REFERENCE_NOT_REPEATABLE, reason=reason)
    report = replace(report, flips=explanation.flips)
    if explanation.localization is None:
        note = "The excerpt around the worst stretch does not drift by itself: the stage could not be located."
        return replace(report, notes=(*report.notes, note))
    log.error("%s", explanation.localization.sentence)
    return replace(report, localization=explanation.localization)


def explain_afterwards(report: DriftReport, candidate: Mapping[str, Any], video: Path) -> DriftReport:
    """Explain the drift between two files that were published or refused earlier.

    Args:
        report: of comparing them.
        candidate: the metadata of the candidate's Parquet file, which says what computed it.
        video: what both were computed from.

    Raises:
        UsageError: the metadata says nothing of a device, or the video is not the one it names.
        MediaError: the video cannot be used.
    """
    try:
        plan = DevicePlan.from_facts(candidate["device"]["plan"])
        chosen, source = candidate["parameters"], candidate["source"]
    except (KeyError, TypeError) as error:
        raise UsageError("--explain needs a candidate in Parquet that a run of step4 wrote: this one is not") from error
    limits = Configuration.resolve().limits
    media = probe_again(video, limits, chosen)
    if media.sha256 != source["sha256"]:
        raise UsageError(f"--explain {video}: the candidate was computed from {source['name']} with other content")
    parameters = Parameters.from_manifest(chosen)
    with tempfile.TemporaryDirectory() as folder:
        samples = listen(media, Path(folder) / "samples.f32", limits=limits)
        if samples is None:
            return report
        outcome = replace(silent_inference(plan), plan=plan)
        return explain(report, outcome, samples.load, parameters, patching.explain)


explain_task = stage("explain")(explain)

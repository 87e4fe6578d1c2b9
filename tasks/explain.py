"""On drift: which stage parted first, or does the reference not even equal itself?"""

import logging
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.diarize import Outcome
from tasks.engine.diarizer import Parameters
from tasks.engine.errors import EngineError
from tasks.engine.experiment import Explainer
from tasks.engine.gate.report import DriftReport, Verdict

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
        explainer: the seam to the experiments.

    Returns:
        The report with its localisation; with the verdict `reference_not_repeatable` where that is what was found.
        Where the experiments themselves fail, the drift stands and a note says so: a refusal never depends on them.
    """
    if report.verdict is not Verdict.DRIFT or report.agreement is None:
        return report
    stretch = report.agreement.worst_stretch
    try:
        found = explainer(samples(), (stretch.start_sec + stretch.end_sec) / 2, outcome.plan, parameters)
    except EngineError as error:
        return replace(report, notes=(*report.notes, f"The drift could not be located: {error}"))
    if not found.repeatable:
        reason = "the reference run twice does not equal itself on this machine, so nothing can be held against it"
        return replace(report, verdict=Verdict.REFERENCE_NOT_REPEATABLE, reason=reason)
    if found.localisation is None:
        note = "The excerpt around the worst stretch does not drift by itself: the stage could not be located."
        return replace(report, notes=(*report.notes, note))
    log.error("%s", found.localisation.sentence)
    return replace(report, localisation=found.localisation)


explain_task = task(name="explain", cache_policy=NO_CACHE)(explain)

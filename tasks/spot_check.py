"""A reference by sample: some windows on the CPU again, and whether they and their neighbours raise a doubt."""

import logging
import secrets
from contextlib import suppress
from dataclasses import replace
from functools import partial
from threading import Event

import numpy as np
from numpy.typing import NDArray

from tasks.detection_rate import DetectionRate
from tasks.diarize import beside
from tasks.engine.core.choices import Reference, Verdict
from tasks.engine.core.errors import NotNeededError
from tasks.engine.devices.plan import DevicePlan
from tasks.engine.formats import turns_parquet
from tasks.engine.formats.detect import load_timeline
from tasks.engine.gate.drift_report import DriftReport
from tasks.engine.gate.findings import SpotCheck
from tasks.engine.gate.tolerance import Tolerance
from tasks.engine.inference.window_outputs import Recomputed
from tasks.engine.media.decode import Samples
from tasks.engine.spot_check.choice import choose
from tasks.inference_job import InferenceJob, Outcome
from tasks.orchestration.stage import stage
from tasks.run import Run, StagedTimeline

log = logging.getLogger("step4.spot_check")

SHORTEST_SEC = 120
"""Of audio. The whole reference costs two cores eight seconds for that, and a sample would be a dozen windows."""


def seeds_for(run: Run, samples: Samples) -> tuple[int, ...]:
    """Return what to draw windows with, the samples' hash and a fresh number; nothing where no sample is wanted."""
    wanted = run.configuration.reference is Reference.SAMPLED and not run.plan.is_reference
    # Windows of another step are not the reference's; what was doubted once is not drawn again until it is cleared up.
    whole = run.plan.segmentation_step or run.store.is_doubted(samples.sha256)
    if not wanted or whole or samples.duration_sec < SHORTEST_SEC:
        return ()
    return int(samples.sha256[:16], 16), secrets.randbits(64)


def recompute(job: InferenceJob) -> Recomputed | None:
    """Run the networks on a sample of the windows, each second of audio once.

    Returns:
        None where the model set does not work window by window, or where the sample is no longer needed.

    Raises:
        ModelError: the models are unusable.
        NonFiniteError: an output is NaN or Inf.
    """

    def progress(step: str, done: int, total: int) -> None:
        job.progress(f"{job.role}: {step}", done, total)

    with suppress(NotNeededError):
        return job.recompute(job.samples(), job.plan, job.parameters, partial(choose, seeds=job.seeds), progress)
    return None


def recompute_outliers(job: InferenceJob, numbers: NDArray[np.int64]) -> Recomputed | None:
    """Run the networks on the windows that lie apart from their neighbours, on the CPU.

    Raises:
        ModelError: the models are unusable.
        NonFiniteError: an output is NaN or Inf.
    """
    log.info("%d windows lie apart from their neighbours: computed again on the CPU.", len(numbers))
    reference = job.as_reference()

    def progress(step: str, done: int, total: int) -> None:
        job.progress(f"sample: {step}", done, total)

    return job.recompute(job.samples(), reference.plan, job.parameters, lambda *_: numbers, progress)


def diarize_and_recompute(candidate: InferenceJob) -> tuple[Outcome, Recomputed | None]:
    """Compute the candidate, and a sample of its windows on the CPU: at the same time where they share no device.

    A candidate that falls back to the reference's own computation stops its sample; the shared engine's on the CPU is
    none, and is held against it.
    """
    fell_back = Event()

    def tell_fallback(failed: DevicePlan, reason: str) -> None:
        if failed.on_cpu_instead(reason).is_reference:
            fell_back.set()
        candidate.tell_fallback(failed, reason)

    sample = replace(candidate.as_reference(), role="sample").cancellable(fell_back)
    return beside(replace(candidate, tell_fallback=tell_fallback), sample, recompute_task)


def spot_check(
    run: Run,
    job: InferenceJob,
    samples: Samples,
    outcome: Outcome,
    staged: StagedTimeline,
    sample: Recomputed | None,
) -> DriftReport | None:
    """Hold the candidate against the sample, and its windows against each other.

    Args:
        run: places.
        job: the candidate's.
        samples: that it heard.
        outcome: what came of it.
        staged: its table, as it lies on disk.
        sample: the windows that were computed again.

    Returns:
        The gate's report on the sample; its `spot_check` says what needs the whole reference, if anything does. None
        where no sample was wanted or none is needed.
    """
    if job.seeds and outcome.name:
        run.store.drop_windows(outcome.name)  # this outcome holds them, and a run that is started again has its own
    if not job.seeds or outcome.plan.is_reference:
        return None
    windows = outcome.diarization.windows
    if sample is None or windows is None:
        return unsampled("this model set does not work window by window")
    from tasks.engine.spot_check.check import spot_check as hold_against  # noqa: PLC0415  # torch takes three seconds

    table = load_timeline(staged.timeline)
    report = hold_against(
        windows,
        table,
        sample,
        samples.load(),
        samples.sha256,
        outcome.plan,
        job.parameters,
        run.media.grid,
        job.seeds[-1],
        partial(recompute_outliers, job),
        turns_parquet.read(staged.exclusive) if staged.exclusive else None,
    )
    if report.spot_check:
        log.info("Reference %s", report.spot_check.sentence)
        for doubt in report.spot_check.doubts:
            log.warning("The whole reference is needed: %s", doubt)
        if report.spot_check.doubts and outcome.name:
            run.store.doubt(samples.sha256, outcome.name)
    return report


def unsampled(why: str) -> DriftReport:
    """Report that nothing can be drawn."""
    nothing = SpotCheck(0, (), 0, 0.0, None, 0, 0, 0, 1.0, 0.95, proves_grouping=False, neighbours={}, doubts=(why,))
    return DriftReport(Verdict.NOT_COMPARABLE, Tolerance(), reason=why, spot_check=nothing)


def needs_reference(rate: DetectionRate, reference: Outcome | None, checked: DriftReport | None) -> bool:
    """Tell whether the whole reference has to be computed after all: the rate cannot be believed, or there is doubt."""
    doubted = checked is not None and checked.spot_check is not None and bool(checked.spot_check.doubts)
    return reference is None and (rate is DetectionRate.TOO_LOW or doubted)


recompute_task = stage("recompute-sample")(recompute)
spot_check_task = stage("spot-check")(spot_check)

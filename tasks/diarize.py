"""Who speaks when: inference behind the result store, repeated once on CPU when the device fails."""

import logging
from contextlib import suppress
from threading import Event
from typing import TypeVar

from tasks.cpu_fallback import fall_back
from tasks.engine.core import log_lines
from tasks.engine.core.choices import Reference
from tasks.engine.core.errors import NonFiniteError
from tasks.engine.core.finite import first_non_finite
from tasks.engine.inference.types import Diarization
from tasks.inference_job import InferenceJob, Outcome
from tasks.orchestration.stage import Stage, stage

T = TypeVar("T")

log = logging.getLogger("step4.diarize")


def diarize(job: InferenceJob) -> Outcome:
    """Take the result from the store, or compute and keep it.

    Raises:
        DeviceError: the device failed.
        ModelError: the models are unusable.
        NonFiniteError: a score is NaN or Inf.
        UsageError: only a stored result was wanted, and there is none.
    """
    name, plan = job.name_of(job.plan), job.plan
    with job.store.claim(name):
        kept = job.store.get(name, with_windows=job.keep_windows)
        if kept is not None:
            require_finite(kept)
            log.info(
                "Inference already done (%s, %s, %s): result taken from the store",
                job.role,
                plan.device,
                plan.precision,
            )
            return Outcome(kept, plan, attempts=job.attempt, name=name)

        def progress(step: str, done: int, total: int) -> None:
            job.progress(f"{job.role}: {step}", done, total)

        options = {"keep_windows": True} if job.keep_windows else {}
        result = job.diarizer(job.samples(), plan, job.parameters, progress, **options)
        require_finite(result)
        job.store.put(name, result)
    log.info(log_lines.DIARIZATION_DONE, len(result.turns))
    return Outcome(result, plan, attempts=job.attempt, name=name)


def require_finite(result: Diarization) -> None:
    """Refuse a result with NaN or Inf in it, whatever produced it.

    Raises:
        NonFiniteError: with the first bad frame's time.
    """
    bad = first_non_finite(result.scores.values)
    if bad is not None:
        seconds = result.scores.start + bad * result.scores.step
        raise NonFiniteError(f"speech score at {seconds:.2f} s is not finite: expected a number from 0 to 1")


diarize_task = stage("diarize", retry=fall_back)(diarize)


def diarize_both(candidate: InferenceJob, reference: Reference) -> tuple[Outcome, Outcome | None]:
    """Compute candidate and reference: at the same time where they do not share a device, else one after the other.

    Args:
        candidate: the candidate's job. One that is computed like the reference needs none.
        reference: where the other side comes from.
    """
    if reference is Reference.NONE or candidate.plan.is_reference:
        return diarize_task(candidate), None
    trusted = candidate.as_reference(reference)
    return beside(candidate, trusted, diarize_task)


def beside(
    candidate: InferenceJob, trusted: InferenceJob, compute: Stage[[InferenceJob], T]
) -> tuple[Outcome, T | None]:
    """Compute the candidate, and what the CPU computes to check it: at the same time where they share no device.

    Args:
        candidate: the candidate's job.
        trusted: the CPU's.
        compute: the stage that takes it.

    Returns:
        Both; the second is None where the candidate fell back to the CPU, and so needs no check.
    """
    if candidate.plan.on_cpu:
        trusted.progress(f"{trusted.role}: waiting", 0, 1)  # half of the work is yet to come
        return diarize_task(candidate), compute(trusted)
    cancelled = Event()
    pending = compute.start(trusted.cancellable(cancelled))
    try:
        outcome = diarize_task(candidate)
    except BaseException:
        # Nobody needs the other side any more, and it may have hours to go.
        cancelled.set()
        with suppress(Exception):
            pending()
        raise
    if outcome.plan.is_reference:
        with suppress(Exception):
            pending()
        return outcome, None
    return outcome, pending()

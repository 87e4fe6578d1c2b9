"""Who speaks when: inference behind the result store, repeated once on CPU when the device fails."""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from threading import Event
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tasks.engine.core import log_lines
from tasks.engine.core.choices import Reference
from tasks.engine.core.errors import DeviceError, EngineError, NonFiniteError, UsageError
from tasks.engine.core.finite import first_non_finite
from tasks.engine.core.turns import SpeechScores
from tasks.engine.devices.plan import DevicePlan
from tasks.engine.inference.result_store import ResultStore
from tasks.engine.inference.types import Diarization, Diarizer, Parameters, Progress
from tasks.orchestration.stage import stage

log = logging.getLogger("step4.diarize")


@dataclass(frozen=True, slots=True)
class Outcome:
    """A diarization with the plan that produced it.

    Attributes:
        diarization: turns and speech scores.
        plan: what computed them.
        attempts: 2 where the first device failed.
        from_store: was it computed in an earlier run?
        name: of its entry in the result store; None where there was nothing to compute.
    """

    diarization: Diarization
    plan: DevicePlan
    attempts: int = 1
    from_store: bool = False
    name: str | None = None

    def facts(self) -> dict[str, Any]:
        """Return what computed it, for the files; the same whether now or in an earlier run."""
        return {
            **self.diarization.facts,
            "attempts": self.attempts,
            "fallback_reason": self.plan.fallback_reason,
            "reason": self.plan.reason,
            "plan": self.plan.facts(),
        }


def no_fallback_notice(_failed: DevicePlan, _reason: str) -> None:
    """Tell nobody of a fallback."""


@dataclass(frozen=True, slots=True)
class InferenceJob:
    """One inference that is wanted, and everything that it needs.

    Attributes:
        role: `candidate` or `reference`, for the log and the progress bar.
        plan: what to compute with.
        samples: gives (samples,) float32, mono, 16 kHz.
        parameters: what changes the answer.
        store: finished inferences.
        name_of: the store's name for a plan's result.
        diarizer: runs the networks.
        progress: told (stage, done, total).
        tell_fallback: told the plan whose device failed, and why.
        attempt: 1, or 2 on the CPU after a device failed.
    """

    role: str
    plan: DevicePlan
    samples: Callable[[], NDArray[np.float32]]
    parameters: Parameters
    store: ResultStore
    name_of: Callable[[DevicePlan], str]
    diarizer: Diarizer
    progress: Progress
    tell_fallback: Callable[[DevicePlan, str], None] = no_fallback_notice
    attempt: int = 1

    def as_reference(self, reference: Reference = Reference.CPU) -> Self:
        """Return the job of the reference for this candidate, which only looks into the store where that was asked."""
        diarizer = stored_only if reference is Reference.STORED else self.diarizer
        return replace(self, role="reference", plan=self.plan.as_reference(), diarizer=diarizer)

    def cancellable(self, cancelled: Event) -> Self:
        """Return the same job, which ends at its next report of progress once it is cancelled."""

        def progress(step: str, done: int, total: int) -> None:
            if cancelled.is_set():
                raise EngineError("stopped: the candidate failed, so its reference is not needed")
            self.progress(step, done, total)

        return replace(self, progress=progress)


def silent_inference(plan: DevicePlan) -> Outcome:
    """Return the outcome for a video without an audio stream: no speech, and no device was needed to say so."""
    nothing = SpeechScores(np.zeros(0, dtype=np.float32), 0.0, 1.0)
    return Outcome(Diarization((), nothing, {"device": None, "note": "no_audio_stream"}), plan.as_reference())


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
        kept = job.store.get(name)
        if kept is not None:
            require_finite(kept)
            log.info(
                "Inference already done (%s, %s, %s): result taken from the store",
                job.role,
                plan.device,
                plan.precision,
            )
            return Outcome(kept, plan, attempts=job.attempt, from_store=True, name=name)

        def progress(step: str, done: int, total: int) -> None:
            job.progress(f"{job.role}: {step}", done, total)

        result = job.diarizer(job.samples(), plan, job.parameters, progress)
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


def fall_back(job: InferenceJob, error: Exception) -> InferenceJob | None:
    """Return the same job on the CPU in FP32, where its device failed and its plan allows that; else None.

    Bad input is never tried again.
    """
    if not isinstance(error, DeviceError) or job.plan.fallback != "cpu" or job.attempt > 1:
        return None
    log.warning(log_lines.CUDA_FALLBACK, error)
    job.tell_fallback(job.plan, str(error))
    return replace(job, plan=job.plan.on_cpu_instead(str(error)), attempt=2)


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
    if candidate.plan.on_cpu:
        return diarize_task(candidate), diarize_task(trusted)
    cancelled = Event()
    pending = diarize_task.start(trusted.cancellable(cancelled))
    try:
        outcome = diarize_task(candidate)
    except BaseException:
        # Nobody needs the reference any more, and it may have hours to go.
        cancelled.set()
        with suppress(Exception):
            pending()
        raise
    if outcome.plan.is_reference:
        with suppress(Exception):
            pending()
        return outcome, None
    return outcome, pending()


def stored_only(*_: object) -> Diarization:
    """Never compute: the store had no reference.

    Raises:
        UsageError: always.
    """
    raise UsageError("no stored reference for this video, these models and parameters: run once with --reference cpu")

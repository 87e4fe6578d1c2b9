"""Who speaks when: inference behind the store, retried once on CPU when the device fails."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Event
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.runtime import task_run
from prefect.tasks import Task

from tasks.engine.core.errors import DeviceError, EngineError, NonFiniteError, UsageError
from tasks.engine.core.turns import SpeechScores
from tasks.engine.devices.plan import DevicePlan
from tasks.engine.inference.result_store import ResultStore
from tasks.engine.inference.types import Diarization, Diarizer, Parameters, Progress

log = logging.getLogger("step4.diarize")


@dataclass(frozen=True, slots=True)
class Outcome:
    """A diarization with the plan that produced it."""

    diarization: Diarization
    plan: DevicePlan
    attempts: int = 1
    from_store: bool = False
    name: str | None = None
    """Of its entry in the store."""

    def facts(self) -> dict[str, Any]:
        """What computed it, for the files; the same whether now or in an earlier run."""
        return {
            **self.diarization.facts,
            "attempts": self.attempts,
            "fallback_reason": self.plan.fallback_reason,
            "reason": self.plan.reason,
            "plan": self.plan.facts(),
        }


def silent_inference(plan: DevicePlan) -> Outcome:
    """The outcome for a video without an audio stream: no speech, and no device was needed to say so."""
    nothing = SpeechScores(np.zeros(0, dtype=np.float32), 0.0, 1.0)
    return Outcome(Diarization((), nothing, {"device": None, "note": "no_audio_stream"}), plan.as_reference())


def diarize(
    role: str,
    plan: DevicePlan,
    samples: Callable[[], NDArray[np.float32]],
    parameters: Parameters,
    store: ResultStore,
    name_of: Callable[[DevicePlan], str],
    diarizer: Diarizer,
    progress: Progress,
) -> Outcome:
    """Take the result from the store, or compute and keep it.

    Args:
        role: `candidate` or `reference`, for the log and the progress bar.
        plan: what to compute with.
        samples: gives (samples,) float32, mono, 16 kHz.
        parameters: what changes the answer.
        store: finished inferences.
        name_of: the store's name for a plan's result.
        diarizer: the seam to the networks.
        progress: told (stage, done, total).

    Raises:
        DeviceError: the device failed.
        ModelError: the models are unusable.
        NonFiniteError: a score is NaN or Inf.
    """
    name = name_of(plan)
    with store.claim(name):
        kept = store.get(name)
        if kept is not None:
            require_finite(kept)
            log.info("Inférence déjà faite (%s, %s, %s), résultat repris", role, plan.device, plan.precision)
            return Outcome(kept, plan, from_store=True, name=name)
        result = diarizer(samples(), plan, parameters, lambda step, *done: progress(f"{role}: {step}", *done))
        require_finite(result)
        store.put(name, result)
    log.info("Diarisation: %d segment(s) détecté(s)", len(result.turns))
    return Outcome(result, plan, name=name)


def require_finite(result: Diarization) -> None:
    """Refuse a result with NaN or Inf in it, whatever produced it.

    Raises:
        NonFiniteError: with the first bad frame's time.
    """
    bad = np.flatnonzero(~np.isfinite(result.scores.values))
    if len(bad):
        seconds = result.scores.start + bad[0] * result.scores.step
        raise NonFiniteError(f"speech score at {seconds:.2f} s is not finite: expected a number from 0 to 1")


_device_failures: dict[UUID, str] = {}
"""Why the first attempt of a task run failed: Prefect keeps the message, but does not hand it to the retry."""


def is_device_failure(_task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Retry condition: a device failed under a plan that allows the CPU. Bad input is never retried."""
    del _task
    return run.id in _device_failures and state.is_failed()


def no_fallback_notice(_failed: DevicePlan, _reason: str) -> None:
    """A fallback that nobody asked to hear of."""


@task(name="diarize", retries=1, retry_condition_fn=is_device_failure, cache_policy=NO_CACHE)
def diarize_task(
    role: str,
    plan: DevicePlan,
    tell_fallback: Callable[[DevicePlan, str], None] = no_fallback_notice,
    **stage: Any,  # noqa: ANN401  # the stage's own parameters
) -> Outcome:
    """`diarize`; a second attempt runs on CPU in FP32 with every other parameter kept."""
    run = UUID(str(task_run.id))
    failure = _device_failures.pop(run, None)
    if failure is not None:
        tell_fallback(plan, failure)
        outcome = diarize(role, plan.on_cpu_instead(failure), **stage)
        return replace(outcome, attempts=2)
    try:
        return diarize(role, plan, **stage)
    except DeviceError as error:
        if plan.fallback == "cpu":
            log.warning("Erreur CUDA, passage en mode CPU: %s", error)
            _device_failures[run] = str(error)
        raise


def diarize_both(
    plan: DevicePlan,
    reference: str,
    **stage: Any,  # noqa: ANN401  # the stage's own parameters
) -> tuple[Outcome, Outcome | None]:
    """Candidate and reference: at the same time where they do not share a device, else one after the other.

    Args:
        plan: the candidate's.
        reference: `cpu` computes it (or takes it from the store), `stored` insists on the store, `none` does without.
            A candidate that is computed like the reference needs none.
        stage: what `diarize` takes.
    """
    if reference == "none" or plan.is_reference:
        return diarize_task("candidate", plan, **stage), None
    trusted = {**stage, "diarizer": only_stored} if reference == "stored" else stage
    if plan.on_cpu:
        return diarize_task("candidate", plan, **stage), diarize_task("reference", plan.as_reference(), **trusted)
    stop = Event()
    pending = diarize_task.submit("reference", plan.as_reference(), **cancellable(stop, trusted))
    try:
        candidate = diarize_task("candidate", plan, **stage)
    except BaseException:
        # Nobody needs the reference any more, and it may have hours to go.
        stop.set()
        pending.wait()
        raise
    if candidate.plan.is_reference:
        pending.wait()
        return candidate, None
    return candidate, pending.result()


def ask_cpu(plan: DevicePlan, **stage: Any) -> Outcome:  # noqa: ANN401  # the stage's own parameters
    """The reference's answer to what a candidate was asked."""
    outcome: Outcome = diarize_task("reference", plan.as_reference(), **stage)
    return outcome


def cancellable(stop: Event, stage: dict[str, Any]) -> dict[str, Any]:
    """A stage's parameters, with progress that ends the inference once it is no longer wanted."""

    def progress(step: str, done: int, total: int) -> None:
        if stop.is_set():
            raise EngineError("stopped: the candidate failed, so its reference is not needed")
        stage["progress"](step, done, total)

    return {**stage, "progress": progress}


def only_stored(*_: object) -> Diarization:
    """A diarizer that never computes.

    Raises:
        UsageError: always: the store had no reference.
    """
    raise UsageError("no stored reference for this video, these models and parameters: run once with --reference cpu")

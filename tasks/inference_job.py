"""An inference that is wanted, and what came of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Event
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tasks.engine.core.choices import Reference
from tasks.engine.core.errors import NotNeededError, UsageError
from tasks.engine.core.turns import SpeechScores
from tasks.engine.dependencies import recompute
from tasks.engine.devices.plan import DevicePlan
from tasks.engine.inference.result_store import ResultStore
from tasks.engine.inference.types import Diarization, Diarizer, Parameters, Progress, Recomputer


@dataclass(frozen=True, slots=True)
class Outcome:
    """A diarization with the plan that produced it.

    Attributes:
        diarization: turns and speech scores.
        plan: what computed them.
        attempts: 2 where the first device failed.
        name: of its entry in the result store; None where there was nothing to compute.
    """

    diarization: Diarization
    plan: DevicePlan
    attempts: int = 1
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
        recompute: runs the networks on some windows.
        seeds: that they are drawn with; none where no sample is wanted.
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
    recompute: Recomputer = recompute
    seeds: tuple[int, ...] = ()

    @property
    def keep_windows(self) -> bool:
        """Is what the networks give for every window wanted too?"""
        return bool(self.seeds) and self.role == "candidate" and not self.plan.is_reference

    def as_reference(self, reference: Reference = Reference.CPU) -> Self:
        """Return the job of the reference for this candidate, which only looks into the store where that was asked."""
        diarizer = stored_only if reference is Reference.STORED else self.diarizer
        return replace(self, role="reference", plan=self.plan.as_reference(), diarizer=diarizer)

    def cancellable(self, cancelled: Event) -> Self:
        """Return the same job, which ends at its next report of progress once it is cancelled."""

        def progress(step: str, done: int, total: int) -> None:
            if cancelled.is_set():
                raise NotNeededError("stopped: the candidate failed, so nothing needs to be held against it")
            self.progress(step, done, total)

        return replace(self, progress=progress)


def silent_inference(plan: DevicePlan) -> Outcome:
    """Return the outcome for a video without an audio stream: no speech, and no device was needed to say so."""
    nothing = SpeechScores(np.zeros(0, dtype=np.float32), 0.0, 1.0)
    return Outcome(Diarization((), nothing, {"device": None, "note": "no_audio_stream"}), plan.as_reference())


def stored_only(*_: object) -> Diarization:
    """Never compute: the store had no reference.

    Raises:
        UsageError: always.
    """
    raise UsageError("no stored reference for this video, these models and parameters: run once with --reference cpu")

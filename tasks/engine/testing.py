"""Fakes of the dependencies, for tests of the code around them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tasks.engine.core.constants import GIB, SAMPLE_RATE
from tasks.engine.core.turns import SpeechScores, Turn
from tasks.engine.devices.facts import CudaDevice, DeviceFacts
from tasks.engine.devices.plan import DevicePlan
from tasks.engine.diagnosis.patching import Explanation
from tasks.engine.gate.tolerance import Tolerance
from tasks.engine.inference.types import Diarization, Parameters, Progress

STEP_SEC = 0.016875
"""Frame step of segmentation-3.0, seconds."""

CPU_ONLY = DeviceFacts(torch="2.11.0", cuda_build=None, cudnn=None, cpu_threads=2, free_memory=8 * GIB)
"""A machine without an accelerator."""

ONE_GPU = DeviceFacts(
    torch="2.11.0+cu130",
    cuda_build="13.0",
    cudnn=91900,
    cpu_threads=2,
    free_memory=8 * GIB,
    cuda=(CudaDevice(index=0, name="Fake GPU", capability="7.5", total_memory=4 * GIB, free_memory=3 * GIB),),
)
"""A machine with one GPU."""


@dataclass
class ScriptedDiarizer:
    """A diarizer with scripted results, which records its calls.

    Attributes:
        turns: result of the reference's plan.
        candidate: result of every other plan; the reference's where None.
        exclusive: the same with one speaker at a time.
        cuda_failure: raised whenever a plan names a CUDA device.
        calls: the plans it was called with.
    """

    turns: Sequence[Turn]
    candidate: Sequence[Turn] | None = None
    cuda_failure: Exception | None = None
    exclusive: Sequence[Turn] = ()
    calls: list[DevicePlan] = field(default_factory=list)

    def __call__(
        self,
        samples: NDArray[np.float32],
        plan: DevicePlan,
        parameters: Parameters,
        progress: Progress,
        *,
        keep_windows: bool = False,
    ) -> Diarization:
        """Return the scripted result; there are no windows behind it."""
        del parameters, keep_windows
        self.calls.append(plan)
        if self.cuda_failure and not plan.on_cpu:
            raise self.cuda_failure
        progress("segmentation", 1, 1)
        turns = self.turns if plan.is_reference or self.candidate is None else self.candidate
        facts = {
            "device": plan.device,
            "device_name": plan.device_name,
            "precision": plan.precision,
            "batch_size": plan.batch_size,
        }
        scores = scores_of(turns, len(samples) / SAMPLE_RATE)
        return Diarization(tuple(sorted(turns)), scores, facts, tuple(sorted(self.exclusive)))


def sound_low_precision(_device: str, _autocast_dtype: str) -> None:
    """Report nothing: the device's 16-bit arithmetic is sound."""


def nothing_to_load(_models: str, _plan: DevicePlan) -> None:
    """Load nothing: scripted networks are there already."""


def nothing_recomputed(*_: object) -> None:
    """Say that nothing can be computed window by window."""


def no_patching(
    _samples: NDArray[np.float32],
    _around_sec: float,
    _plan: DevicePlan,
    _parameters: Parameters,
    _tolerance: Tolerance,
) -> Explanation:
    """Explain nothing, and run no networks."""
    return Explanation(repeatable=True, localization=None)


def scores_of(turns: Sequence[Turn], duration: float) -> SpeechScores:
    """Make scores that agree with the turns, over a duration in seconds: 0.95 inside, 0.05 outside."""
    centres = np.arange(0, duration, STEP_SEC) + STEP_SEC / 2
    speech = np.zeros(len(centres), dtype=bool)
    for turn in turns:
        speech |= (turn.start <= centres) & (centres < turn.end)
    return SpeechScores(np.where(speech, 0.95, 0.05).astype(np.float32), STEP_SEC / 2, STEP_SEC)

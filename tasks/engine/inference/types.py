"""What goes into an inference and what comes out: plain values, no library loaded."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.engine.core.turns import SpeechScores, Turn
from tasks.engine.devices.plan import DevicePlan

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total)."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What changes the answer, beside the samples and the device plan."""

    models: str = "offline"
    num_speakers: int | None = None
    speech_threshold: float = 0.5
    min_speech_sec: float = 0.3


@dataclass(frozen=True, slots=True)
class Diarization:
    """Who speaks when, and how it was computed."""

    turns: tuple[Turn, ...]
    scores: SpeechScores
    facts: dict[str, Any] = field(default_factory=dict)
    """Device, arithmetic and engine as they were during inference; seconds spent."""


Diarizer = Callable[[NDArray[np.float32], DevicePlan, Parameters, Progress], Diarization]

"""What goes into an inference and what comes out: plain values, no library loaded."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tasks.engine.core.turns import SpeechScores, Turn
from tasks.engine.devices.plan import DevicePlan

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total)."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What changes the answer, beside the samples and the device plan.

    Attributes:
        models: `offline`, a hub id, or a folder.
        num_speakers: where it is known.
        speech_threshold: 0 to 1, on the speech score.
        min_speech_sec: shorter turns are dropped.
    """

    models: str = "offline"
    num_speakers: int | None = None
    speech_threshold: float = 0.5
    min_speech_sec: float = 0.3

    @classmethod
    def from_manifest(cls, parameters: Mapping[str, Any]) -> Self:
        """Read the parameters of a run as its manifest and its settings name them; others are left alone.

        Raises:
            KeyError: one is missing.
        """
        return cls(
            models=parameters["models"],
            num_speakers=parameters["num_speakers"],
            speech_threshold=parameters["speech_threshold"],
            min_speech_sec=parameters["min_speech_ms"] / 1000,
        )


@dataclass(frozen=True, slots=True)
class Diarization:
    """Who speaks when, and how it was computed.

    Attributes:
        turns: in order of time.
        scores: speech probability per frame of the model.
        facts: device, arithmetic and engine as they were during inference; seconds spent.
    """

    turns: tuple[Turn, ...]
    scores: SpeechScores
    facts: dict[str, Any] = field(default_factory=dict)


Diarizer = Callable[[NDArray[np.float32], DevicePlan, Parameters, Progress], Diarization]

"""What goes into an inference and what comes out: plain values, no library loaded."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tasks.engine.core.turns import SpeechScores, Turn
from tasks.engine.devices.plan import DevicePlan
from tasks.engine.inference.window_outputs import Choice, Recomputed, WindowOutputs

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total)."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What changes the answer, beside the samples and the device plan.

    Attributes:
        models: `offline`, a hub id, or a folder.
        num_speakers: where it is known; bounds then have no effect, as in pyannote.
        speech_threshold: 0 to 1, on the speech score.
        min_speech_sec: shorter turns are dropped.
        min_speakers: fewest speakers, None for 1.
        max_speakers: most speakers, None for any number.
    """

    models: str = "offline"
    num_speakers: int | None = None
    speech_threshold: float = 0.5
    min_speech_sec: float = 0.3
    min_speakers: int | None = None
    max_speakers: int | None = None

    @classmethod
    def from_manifest(cls, parameters: Mapping[str, Any]) -> Self:
        """Read the parameters of a run as its manifest and its settings name them; others are left alone.

        Manifests of before there were bounds have none.

        Raises:
            KeyError: one is missing.
        """
        return cls(
            models=parameters["models"],
            num_speakers=parameters["num_speakers"],
            speech_threshold=parameters["speech_threshold"],
            min_speech_sec=parameters["min_speech_ms"] / 1000,
            min_speakers=parameters.get("min_speakers"),
            max_speakers=parameters.get("max_speakers"),
        )


@dataclass(frozen=True, slots=True)
class Diarization:
    """Who speaks when, and how it was computed.

    Attributes:
        turns: in order of time.
        scores: speech probability per frame of the model.
        facts: device, arithmetic and engine as they were during inference; seconds spent.
        exclusive: the same with one speaker at a time, as pyannote decides who that is.
        windows: what the networks gave for every window, where that was asked for.
    """

    turns: tuple[Turn, ...]
    scores: SpeechScores
    facts: dict[str, Any] = field(default_factory=dict)
    exclusive: tuple[Turn, ...] = ()
    windows: WindowOutputs | None = field(default=None, compare=False, repr=False)


Diarizer = Callable[..., Diarization]
"""Called with samples, plan, parameters and progress, and `keep_windows=True` where a sample is to be held against the
result; see `diarize`."""

Recomputer = Callable[[NDArray[np.float32], DevicePlan, Parameters, Choice, Progress], Recomputed | None]
"""Runs the networks on chosen windows; None where a model set does not work window by window."""

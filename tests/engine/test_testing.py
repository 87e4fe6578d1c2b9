"""Fakes: scripted, recorded, and consistent with what the real ones promise."""

from dataclasses import replace

import numpy as np
import pytest

from tasks.engine.core.constants import SAMPLE_RATE
from tasks.engine.core.errors import DeviceError
from tasks.engine.core.turns import Turn
from tasks.engine.devices.plan import DevicePlan
from tasks.engine.gate.tolerance import Tolerance
from tasks.engine.inference.types import Parameters
from tasks.engine.testing import (
    CPU_ONLY,
    ONE_GPU,
    ScriptedDiarizer,
    no_patching,
    scores_of,
    sound_low_precision,
)

LATE, EARLY = Turn(2.0, 3.0, "A"), Turn(0.5, 1.5, "B")
GPU = DevicePlan("auto", "cuda:0", "Fake GPU", "mixed", "float16", 4, 2, "rms", "cpu", "a test")
SILENCE = np.zeros(4 * SAMPLE_RATE, np.float32)


def test_a_script_has_a_part_for_the_reference_and_one_for_any_other_plan() -> None:
    """The turns come sorted, as from a real diarizer; every plan is recorded."""
    diarizer = ScriptedDiarizer((LATE, EARLY), candidate=(EARLY,))
    reference = GPU.as_reference()
    results = [diarizer(SILENCE, plan, Parameters(), lambda *_: None).turns for plan in (GPU, reference)]

    assert results == [(EARLY,), (EARLY, LATE)]
    assert diarizer.calls == [GPU, reference]


def test_a_failing_gpu_leaves_the_cpu_alone() -> None:
    """So that a second attempt there can be tested."""
    diarizer = ScriptedDiarizer((EARLY,), cuda_failure=DeviceError("lost"))

    with pytest.raises(DeviceError):
        diarizer(SILENCE, GPU, Parameters(), lambda *_: None)
    result = diarizer(SILENCE, replace(GPU, device="cpu"), Parameters(), lambda *_: None)
    assert result.turns == (EARLY,)
    assert result.facts["device"] == "cpu"


def test_progress_is_reported_once() -> None:
    """Stage, done, total."""
    reports: list[tuple[str, int, int]] = []
    ScriptedDiarizer((EARLY,))(SILENCE, GPU, Parameters(), lambda *report: reports.append(report))

    assert reports == [("segmentation", 1, 1)]


def test_scores_agree_with_their_turns() -> None:
    """Above any threshold inside, below it outside, and as many as the duration has model frames."""
    scores = scores_of((EARLY,), 4.0)
    seconds = np.array([0.0, 1.0, 2.0, 3.9])

    assert scores.at(seconds).tolist() == pytest.approx([0.05, 0.95, 0.05, 0.05])
    assert len(scores.values) == pytest.approx(4.0 / scores.step, abs=1)


def test_the_quiet_fakes_find_nothing() -> None:
    """They stand where a test is about something else."""
    explanation = no_patching(SILENCE, 1.0, GPU, Parameters(), Tolerance())

    assert sound_low_precision("cuda:0", "float16") is None
    assert (explanation.repeatable, explanation.localization, explanation.flips) == (True, None, ())


def test_one_machine_has_a_gpu_and_the_other_has_none() -> None:
    """Otherwise alike, so that a test shows the difference that the GPU makes."""
    assert CPU_ONLY.cuda == ()
    assert [device.name for device in ONE_GPU.cuda] == ["Fake GPU"]
    assert (CPU_ONLY.cpu_threads, CPU_ONLY.free_memory) == (ONE_GPU.cpu_threads, ONE_GPU.free_memory)

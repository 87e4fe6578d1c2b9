"""Is the accelerator coherent: which plans are tried, what is remembered, and which plan a run then takes."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tasks.engine.core.choices import Verdict
from tasks.engine.core.errors import DeviceError
from tasks.engine.core.turns import Turn
from tasks.engine.devices.plan import DevicePlan
from tasks.engine.diagnosis.selfcheck import SelfCheck, remembered
from tasks.engine.inference.types import Parameters
from tasks.engine.testing import ONE_GPU, ScriptedDiarizer
from tasks.selfcheck import examine, selfcheck, trusted_plan

pytestmark = pytest.mark.usefixtures("clean_settings")

GPU = DevicePlan("auto", "cuda:0", "Fake GPU", "mixed", "float16", 4, 2, "rms", "cpu", "a test")
TURNS = (Turn(8.0, 20.0, "SPEAKER_00"),)
MODELS = {"model.bin": "0" * 64}


def check(diarizer: ScriptedDiarizer, plan: DevicePlan = GPU, *, fresh: bool = False) -> tuple[SelfCheck, ...]:
    """Check a plan on the fake machine."""
    return selfcheck(plan, ONE_GPU, MODELS, Parameters(), diarizer, fresh=fresh)


def test_a_plan_that_agrees_is_the_only_one_tried() -> None:
    """And its answer is remembered: the second check asks no network."""
    diarizer = ScriptedDiarizer(TURNS)
    first = check(diarizer)
    calls = len(diarizer.calls)
    second = check(diarizer)

    assert [answer.precision for answer in first] == ["mixed"]
    assert first[0].passed
    assert [answer.verdict for answer in second] == [answer.verdict for answer in first]
    assert len(diarizer.calls) == calls


def test_a_divergence_leads_to_fp32_and_then_to_the_cpu() -> None:
    """Each safer plan is tried until one passes; the last one is what runs will use."""
    answers = check(ScriptedDiarizer(TURNS, candidate=()))

    assert [(answer.device, answer.precision) for answer in answers][:2] == [("cuda:0", "mixed"), ("cuda:0", "fp32")]
    assert not any(answer.passed for answer in answers[:2])


def test_a_device_without_memory_has_given_no_answer() -> None:
    """Somebody else holds it: nothing is remembered. Any other failure is remembered like a divergence."""
    busy = examine(GPU, Parameters(), ScriptedDiarizer(TURNS, cuda_failure=DeviceError("out of memory")))
    broken = examine(GPU, Parameters(), ScriptedDiarizer(TURNS, cuda_failure=DeviceError("CUDA error: gone")))
    check(ScriptedDiarizer(TURNS, cuda_failure=DeviceError("out of memory")))

    assert (busy.transient, broken.transient) == (True, False)
    assert busy.verdict == broken.verdict == Verdict.NOT_COMPARABLE
    assert remembered(GPU, ONE_GPU, MODELS) is None


def answered(*verdicts: tuple[str, Verdict]) -> Callable[[DevicePlan], SelfCheck | None]:
    """What is known of plans on the GPU, by precision."""
    known = {precision: SelfCheck("cuda:0", "Fake GPU", precision, str(verdict), ()) for precision, verdict in verdicts}
    return lambda plan: None if plan.on_cpu else known.get(plan.precision)


@pytest.mark.parametrize(
    ("known", "problem", "expected"),
    [
        (answered(), None, ("cuda:0", "mixed")),
        (answered(), "float16 convolution is 9 % off FP32", ("cuda:0", "fp32")),
        (answered(("mixed", Verdict.DRIFT)), None, ("cuda:0", "fp32")),
        (answered(("mixed", Verdict.DRIFT), ("fp32", Verdict.DRIFT)), None, ("cpu", "fp32")),
        (answered(("mixed", Verdict.COHERENT)), None, ("cuda:0", "mixed")),
    ],
)
def test_a_run_takes_the_plan_that_the_machine_bears(
    known: Callable[[DevicePlan], SelfCheck | None], problem: str | None, expected: tuple[str, str]
) -> None:
    """FP32 where 16 bits were found wanting, the CPU where that was too; else what the profile asks for."""
    plan = trusted_plan(GPU, known, lambda _device, _dtype: problem)

    assert (plan.device, plan.precision) == expected


def test_the_unsafe_precision_is_left_alone() -> None:
    """It is there to provoke trouble, and only the gate stands behind it."""
    naive = replace(GPU, precision="naive", level="none")

    assert trusted_plan(naive, answered(("naive", Verdict.DRIFT)), lambda *_: "broken") == naive

"""The self-check: answers are remembered, heeded by runs, and announced."""

import json
import logging
import time
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from served import artifacts, wait_for

from flows.cli.runner import run_selfcheck
from flows.selfcheck import selfcheck
from profiles.settings import Configuration
from tasks.device import plan_device
from tasks.engine.core.errors import DeviceError, NonFiniteError
from tasks.engine.core.turns import Turn
from tasks.engine.dependencies import Dependencies, use_dependencies
from tasks.engine.devices.low_precision_check import check_low_precision
from tasks.engine.devices.plan import DevicePlan
from tasks.engine.diagnosis.selfcheck import SelfCheck, remembered
from tasks.engine.inference.types import Parameters
from tasks.engine.testing import CPU_ONLY, ONE_GPU, ScriptedDiarizer, nothing_to_load, sound_low_precision
from tasks.selfcheck import selfcheck as check_plan
from tasks.selfcheck import trusted_plan

pytestmark = pytest.mark.usefixtures("clean_settings")

TURNS = (Turn(1.0, 9.0, "A"), Turn(9.5, 20.0, "B"))
MODELS = {"model.bin": "0" * 64}


def gpu_plan(profile: str = "gpu_optimized") -> DevicePlan:
    """The plan of a profile on a machine with a GPU."""
    return plan_device(Configuration.resolve({"profile": profile}), ONE_GPU)


class DriftsIn:
    """A diarizer that loses a speaker in some precisions on the GPU."""

    def __init__(self, *precisions: str) -> None:
        self.precisions = precisions

    def __call__(self, *arguments: Any) -> Any:
        """Answer from the script."""
        plan = arguments[1]
        lost = not plan.on_cpu and plan.precision in self.precisions
        return ScriptedDiarizer(TURNS[:1] if lost else TURNS)(*arguments)


def answers(diarizer: Any, plan: DevicePlan | None = None) -> list[tuple[str, str, str]]:
    """(device, precision, verdict) of each plan tried."""
    found = check_plan(plan or gpu_plan(), ONE_GPU, MODELS, Parameters(), diarizer)
    return [(one.device, one.precision, one.verdict) for one in found]


def test_a_coherent_device_is_left_as_it_is() -> None:
    """One answer, and runs keep the profile's plan."""
    assert answers(ScriptedDiarizer(TURNS)) == [("cuda:0", "mixed", "coherent")]
    assert trusted_plan(gpu_plan(), lambda plan: remembered(plan, ONE_GPU, MODELS), sound_low_precision) == gpu_plan()


def test_divergence_degrades_to_fp32_with_the_known_log_line(caplog: pytest.LogCaptureFixture) -> None:
    """Mixed precision that drifts is replaced by FP32 on the same device, in runs too."""
    assert answers(DriftsIn("mixed")) == [("cuda:0", "mixed", "drift"), ("cuda:0", "fp32", "coherent")]

    with caplog.at_level(logging.WARNING, logger="step4"):
        safe = trusted_plan(gpu_plan(), lambda plan: remembered(plan, ONE_GPU, MODELS), sound_low_precision)

    assert (safe.device, safe.precision) == ("cuda:0", "fp32")
    assert "self-check" in safe.reason
    assert "Détection de divergence GPU/CPU, passage en mode FP32" in caplog.messages


def test_fp32_that_diverges_too_leads_to_the_cpu() -> None:
    """The last resort is the reference itself."""
    assert answers(DriftsIn("mixed", "fp32"))[:2] == [("cuda:0", "mixed", "drift"), ("cuda:0", "fp32", "drift")]

    safe = trusted_plan(gpu_plan(), lambda plan: remembered(plan, ONE_GPU, MODELS), sound_low_precision)

    assert safe.is_reference
    assert safe.batch_size == gpu_plan().batch_size


class FailsWith:
    """A diarizer whose GPU raises."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __call__(self, *arguments: Any) -> Any:
        """Raise on the GPU, answer on the CPU."""
        if not arguments[1].on_cpu:
            raise self.error
        return ScriptedDiarizer(TURNS)(*arguments)


def known(plan: DevicePlan) -> SelfCheck | None:
    """What this machine remembers of a plan."""
    return remembered(plan, ONE_GPU, MODELS)


def test_a_failing_device_degrades_this_once() -> None:
    """A card that somebody else's process fills is no verdict: nothing is remembered, and the next check asks again."""
    full = FailsWith(DeviceError("out of memory"))

    assert [verdict for _, _, verdict in answers(full)] == ["not_comparable", "not_comparable"]
    assert known(gpu_plan()) is None
    assert trusted_plan(gpu_plan(), known, sound_low_precision) == gpu_plan()
    assert answers(ScriptedDiarizer(TURNS)) == [("cuda:0", "mixed", "coherent")]


def test_a_failing_device_does_not_unsay_what_was_found() -> None:
    """A fresh check that could not be made leaves the remembered answer, good or bad, as it was."""
    answers(DriftsIn("mixed"))
    failed = check_plan(gpu_plan(), ONE_GPU, MODELS, Parameters(), FailsWith(DeviceError("out of memory")), fresh=True)

    assert not failed[0].passed
    assert (known(gpu_plan()) or failed[0]).verdict == "drift"


def test_a_device_that_cannot_is_remembered() -> None:
    """A build without kernels for the card fails in every run: they take the CPU at once, until it is repaired."""
    broken = check_plan(gpu_plan(), ONE_GPU, MODELS, Parameters(), FailsWith(DeviceError("no kernel image")))

    assert [one.outcome for one in broken] == ["failed", "failed"]
    assert trusted_plan(gpu_plan(), known, sound_low_precision).is_reference

    repaired = check_plan(gpu_plan(), ONE_GPU, MODELS, Parameters(), ScriptedDiarizer(TURNS), fresh=True)
    assert [one.outcome for one in repaired] == ["passed"]
    assert trusted_plan(gpu_plan(), known, sound_low_precision) == gpu_plan()


def test_numbers_that_are_none_are_a_verdict() -> None:
    """NaN comes from the arithmetic, not from the moment: it is remembered and heeded."""
    assert len(answers(FailsWith(NonFiniteError("NaN in segmentation")))) == 2

    assert trusted_plan(gpu_plan(), known, sound_low_precision).is_reference


def test_answers_are_remembered_for_the_same_machine_only() -> None:
    """Nothing is computed twice; another driver or model set is asked anew."""
    answers(ScriptedDiarizer(TURNS))
    again = ScriptedDiarizer(TURNS)
    answers(again)

    assert again.calls == []
    assert remembered(gpu_plan(), CPU_ONLY, MODELS) is None
    assert remembered(gpu_plan(), ONE_GPU, {"model.bin": "1" * 64}) is None


def test_the_reference_is_held_against_itself() -> None:
    """On a CPU the only question is whether it repeats itself."""
    plan = plan_device(Configuration.resolve({"profile": "cpu"}), CPU_ONLY)

    assert answers(ScriptedDiarizer(TURNS), plan) == [("cpu", "fp32", "reference")]


def test_half_precision_is_tried_before_mixed_is_used() -> None:
    """A device whose FP16 is broken gets FP32, and the plan says why."""
    safe = trusted_plan(gpu_plan(), lambda _plan: None, lambda *_: "float16 convolution returned NaN")

    assert safe.precision == "fp32"
    assert "float16 convolution returned NaN" in safe.reason


@pytest.mark.slow
@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_this_cpus_half_precision_is_sound(half: str) -> None:
    """The real probe, on the real CPU, finds nothing wrong."""
    assert check_low_precision("cpu", half) is None


def events_named(name: str) -> list[dict[str, Any]]:
    """What the server has recorded under a name; events arrive a moment after they are emitted."""
    until = time.monotonic() + 30
    found: list[dict[str, Any]] = []
    with get_client(sync_client=True) as client:
        while not found and time.monotonic() < until:
            answer = client._client.post("/events/filter", json={"filter": {"event": {"name": [name]}}})
            found = answer.json()["events"]
            time.sleep(0.2)
    return found


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize(
    ("diarizer", "event", "code"),
    [
        pytest.param(DriftsIn(), "passed", 0, id="passed"),
        pytest.param(DriftsIn("mixed"), "diverged", 3, id="diverged"),
        pytest.param(FailsWith(DeviceError("no kernel image")), "failed", 5, id="failed"),
    ],
)
def test_the_outcome_is_announced_and_ends_the_command(diarizer: Any, event: str, code: int) -> None:
    """Each outcome has an event of its own, with the answers as payload, and an exit code of its own."""
    dependencies = Dependencies(
        device_facts=lambda: ONE_GPU,
        diarizer=diarizer,
        check_low_precision=sound_low_precision,
        preload=nothing_to_load,
    )
    with use_dependencies(dependencies):
        state = selfcheck(profile="gpu_optimized", fresh=True, return_state=True)
        ended = run_selfcheck({"profile": "gpu_optimized", "models": None, "fresh": False}, as_json=True)

    assert ended == code
    assert state.is_completed() == (code == 0)
    run = state.state_details.flow_run_id
    (rows,) = wait_for(lambda: artifacts(run)).values()
    name = named(run)
    assert name == f"self-check · gpu_optimized · {event}"
    if code:
        assert f"Fake GPU under mixed: {event}" in (state.message or "")
        assert str(state.message).endswith(f"(exit code {code})")
    assert {"device", "precision", "level", "verdict", "said"} == json.loads(rows)[0].keys()
    assert events_named(f"step4.selfcheck.{event}")[0]["payload"]["checks"][0]["outcome"] == event


def named(run: Any) -> str:
    """Return the name that the server has for a run."""
    with get_client(sync_client=True) as client:
        return client.read_flow_run(run).name

"""The plan of a run: what replaces it, what it is held against, and what of it decides the numbers."""

import json
from dataclasses import replace

import pytest
from speech import cpu_plan

from profiles.settings import Configuration
from tasks.engine.core.choices import Precision
from tasks.engine.devices.plan import DevicePlan, arithmetic_key, autocast_in_force


def test_the_reference_of_a_shared_run_is_exact() -> None:
    """A shared plan is never the reference, and its reference has neither its engine nor its step."""
    plan = replace(cpu_plan(), engine="shared", segmentation_step=0.2)

    assert not replace(cpu_plan(), engine="shared").is_reference
    assert not replace(cpu_plan(), segmentation_step=0.2).is_reference
    assert plan.as_reference().is_reference
    assert (plan.as_reference().engine, plan.as_reference().segmentation_step) == ("exact", None)
    assert plan.on_cpu_instead("a test").engine == "shared"


def test_fp32_has_no_sixteen_bit_type() -> None:
    """In FP32 the type of autocast decides nothing: it is in no key, for plans and configurations alike."""
    plans = [cpu_plan(autocast_dtype=dtype) for dtype in ("float16", "bfloat16")]

    assert [autocast_in_force(plan) for plan in plans] == [None, None]
    assert arithmetic_key(plans[0]) == arithmetic_key(plans[1]) == ["fp32", None, "rms"]
    assert arithmetic_key(cpu_plan("mixed")) == ["mixed", "float16", "rms"]
    assert arithmetic_key(Configuration.resolve({"profile": "cpu"}, env_file=None)) == arithmetic_key(plans[0])


@pytest.mark.parametrize("precision", list(Precision))
def test_a_key_tells_arithmetics_apart(precision: Precision) -> None:
    """Precision, 16-bit type and level rule decide the numbers; threads and batch size are not allowed to."""
    plan = cpu_plan(precision)
    others = [cpu_plan(p) for p in Precision if p is not precision] + [cpu_plan(precision, level="none")]

    assert arithmetic_key(plan) not in [arithmetic_key(other) for other in others]
    assert arithmetic_key(plan) == arithmetic_key(replace(plan, threads=7, batch_size=1))


def test_a_failed_device_is_replaced_by_the_cpu_in_fp32() -> None:
    """Every other choice is kept, batch size included, and the reason is told."""
    plan = replace(cpu_plan("mixed", batch_size=16), device="cuda:0", device_name="Fake GPU", fallback="cpu")
    instead = plan.on_cpu_instead("out of memory")

    assert (instead.device, instead.precision, instead.fallback) == ("cpu", "fp32", "none")
    assert (instead.batch_size, instead.fallback_reason) == (16, "out of memory")


def test_a_plan_survives_the_manifest() -> None:
    """Written as JSON and read again it is the same, under its field's name of version 0.1.0 too."""
    plan = replace(cpu_plan("mixed"), free_memory=123)
    facts = json.loads(json.dumps(plan.as_reference().facts()))
    older = {"half" if name == "autocast_dtype" else name: value for name, value in plan.facts().items()}

    assert "free_memory" not in facts
    assert DevicePlan.from_facts(facts) == plan.as_reference()
    assert (facts["precision"], facts["engine"]) == ("fp32", "exact")
    assert DevicePlan.from_facts(older) == plan
    with pytest.raises(TypeError):
        DevicePlan.from_facts({"requested": "cpu"})

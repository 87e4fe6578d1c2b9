"""The device plan: what is there, what the profile asks, what will be used and why."""

import logging
from dataclasses import replace

import pytest

from profiles.settings import Configuration
from tasks.device import plan_device
from tasks.engine.core.constants import GIB
from tasks.engine.core.errors import DeviceError
from tasks.engine.devices.batch_size import BYTES_PER_WINDOW, auto_batch_size
from tasks.engine.devices.facts import CudaDevice, DeviceFacts
from tasks.engine.testing import CPU_ONLY, ONE_GPU

pytestmark = pytest.mark.usefixtures("clean_settings")


def configured(**parameters: object) -> Configuration:
    """A configuration with these explicit choices."""
    return Configuration.resolve(parameters)


def test_auto_takes_the_gpu_where_there_is_one() -> None:
    """gpu_fp32 on a machine with a GPU runs there, in FP32, and says how much memory it found."""
    plan = plan_device(configured(profile="gpu_fp32"), ONE_GPU)

    assert (plan.device, plan.device_name, plan.precision) == ("cuda:0", "Fake GPU", "fp32")
    assert "4.0 GiB" in plan.reason


def test_auto_takes_the_cpu_where_there_is_none_and_computes_like_the_reference() -> None:
    """gpu_fp32 on a machine without GPU runs on CPU and says why."""
    plan = plan_device(configured(profile="gpu_fp32"), CPU_ONLY)

    assert plan.on_cpu
    assert plan.is_reference
    assert "CUDA" in plan.reason


@pytest.mark.parametrize(
    ("native", "engine", "expected"), [(True, "shared", "mixed"), (False, "shared", "fp32"), (True, "exact", "fp32")]
)
def test_bf16_on_a_cpu_only_where_it_pays(native: bool, engine: str, expected: str) -> None:
    """shared_amp without a GPU: BF16 where the CPU has it; the exact engine in FP32 is the reference itself."""
    plan = plan_device(configured(profile="shared_amp", engine=engine), replace(CPU_ONLY, cpu_bfloat16=native))

    assert (plan.on_cpu, plan.precision, plan.autocast_dtype) == (True, expected, "bfloat16")


@pytest.mark.parametrize("wanted", [{"profile": "shared_amp", "device": "cpu"}, {"profile": "cpu_amp"}])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize(("native", "expected"), [(True, "mixed"), (False, "fp32")])
def test_no_16_bits_are_emulated_for_speed(wanted: dict[str, str], dtype: str, native: bool, expected: str) -> None:
    """BF16 where the processor has it, FP32 elsewhere, and FP16 on no CPU: it would take longer than FP32."""
    chosen = configured(**wanted).model_copy(update={"autocast_dtype": dtype})
    plan = plan_device(chosen, replace(CPU_ONLY, cpu_bfloat16=native))

    assert (plan.precision, plan.autocast_dtype if native else "") == (expected, "bfloat16" if native else "")
    assert ("which has no BF16: FP32" in plan.reason) is not native


def test_the_naive_precision_is_emulated_for_its_effects() -> None:
    """The incident on demand needs no GPU: FP16 around everything, as it was."""
    plan = plan_device(configured(profile="cpu_amp_unsafe"), replace(CPU_ONLY, cpu_bfloat16=True))

    assert (plan.precision, plan.autocast_dtype) == ("naive", "float16")


def test_cuda_asked_for_and_absent_is_an_error() -> None:
    """A profile that names cuda never runs elsewhere by itself; the error names profiles that would run."""
    with pytest.raises(DeviceError, match="gpu_fp32") as caught:
        plan_device(configured(profile="gpu_optimized"), CPU_ONLY)

    assert caught.value.exit_code == 5


def test_why_a_cuda_build_sees_no_device_is_told() -> None:
    """A driver's complaint reaches the user."""
    broken = DeviceFacts("2.11.0+cu130", "13.0", None, 2, 8 * GIB, cuda_error="driver too old")

    with pytest.raises(DeviceError, match="driver too old"):
        plan_device(configured(profile="gpu_optimized"), broken)


def test_of_several_gpus_the_one_with_most_free_memory_is_taken() -> None:
    """A card that others fill is left alone."""
    cards = tuple(CudaDevice(i, f"card {i}", "8.9", 24 * GIB, free * GIB) for i, free in enumerate((2, 20, 5)))

    plan = plan_device(configured(), DeviceFacts("2.11.0", "13.0", 91900, 2, 8 * GIB, cuda=cards))

    assert plan.device == "cuda:1"


def test_the_fallback_keeps_every_choice_but_device_and_precision() -> None:
    """CPU in FP32 with the batch size, threads and level rule of the plan it replaces."""
    plan = plan_device(configured(profile="gpu_optimized", batch_size=7), ONE_GPU)
    instead = plan.on_cpu_instead("out of memory")

    assert (instead.device, instead.precision, instead.fallback_reason) == ("cpu", "fp32", "out of memory")
    assert (instead.batch_size, instead.threads, instead.level) == (7, plan.threads, plan.level)
    assert instead.fallback == "none"


@pytest.mark.parametrize(
    ("profile", "expected"),
    [("cpu", True), ("gpu_fp32", True), ("cpu_amp", True), ("cpu_amp_unsafe", False), ("shared", False)],
)
def test_only_cpu_fp32_with_the_level_rule_is_the_reference(profile: str, *, expected: bool) -> None:
    """What differs from the reference in any way must be compared with it."""
    assert plan_device(configured(profile=profile), CPU_ONLY).is_reference is expected


def test_the_log_lines_that_operators_search_for(caplog: pytest.LogCaptureFixture) -> None:
    """Profile and memory are announced in the words that operators grep."""
    with caplog.at_level(logging.INFO, logger="step4"):
        plan_device(configured(profile="gpu_fp32", batch_size=8), ONE_GPU)

    assert "[PROFILING] AudioService: Profil gpu_fp32 activé (FP32, no AMP)" in caplog.messages
    assert "[PROFILING] Mémoire GPU disponible: 3.0 Go, batch_size=8" in caplog.messages


@pytest.mark.parametrize(
    ("windows_that_fit", "on_cpu", "expected"),
    [(0, False, 1), (1, False, 1), (3, False, 2), (8, False, 8), (1000, False, 32), (1000, True, 4)],
)
def test_auto_batch_size_fits_in_half_the_free_memory(windows_that_fit: int, *, on_cpu: bool, expected: int) -> None:
    """A power of two, at least one window, and no more than pays on that device."""
    free = 2 * windows_that_fit * BYTES_PER_WINDOW

    assert auto_batch_size(free, on_cpu=on_cpu) == expected

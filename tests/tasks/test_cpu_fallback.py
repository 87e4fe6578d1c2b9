"""A failed device: the same job on the CPU, once."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from stages import job_of, run_of

from tasks.cpu_fallback import fall_back
from tasks.engine.core.errors import DeviceError, EngineError, MediaError, NonFiniteError

if TYPE_CHECKING:
    from tasks.engine.devices.plan import DevicePlan

pytestmark = pytest.mark.usefixtures("clean_settings")


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Where a video lies."""
    return tmp_path / "clip.mp4"


def test_a_failed_device_is_replaced_once_by_the_cpu_in_fp32(video: Path) -> None:
    """Batch size and method are kept, the reason is told and noted, and a second failure ends the run."""
    told: list[tuple[DevicePlan, str]] = []
    job = job_of(run_of(video, gpu=True, profile="gpu_optimized"), tell_fallback=lambda *news: told.append(news))
    again = fall_back(job, DeviceError("out of memory"))

    assert again is not None
    assert (again.attempt, again.plan.on_cpu, again.plan.precision) == (2, True, "fp32")
    assert (again.plan.batch_size, again.plan.fallback_reason) == (job.plan.batch_size, "out of memory")
    assert told == [(job.plan, "out of memory")]
    assert fall_back(again, DeviceError("out of memory")) is None
    assert fall_back(replace(job, attempt=2), DeviceError("out of memory")) is None
    assert len(told) == 1


@pytest.mark.parametrize(
    "error", [EngineError("odd"), NonFiniteError("NaN"), MediaError("cut short"), ValueError("bug")], ids=repr
)
def test_only_a_device_failure_is_tried_again(video: Path, error: Exception) -> None:
    """Bad input, bad numbers and bugs would be the same on the CPU."""
    assert fall_back(job_of(run_of(video, gpu=True)), error) is None


def test_a_plan_without_fallback_is_not_tried_again(video: Path) -> None:
    """gpu_amp_unsafe exists to show what the device does."""
    job = job_of(run_of(video, gpu=True, profile="gpu_amp_unsafe"))

    assert job.plan.fallback == "none"
    assert fall_back(job, DeviceError("out of memory")) is None

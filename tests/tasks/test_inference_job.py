"""An inference that is wanted: its reference, its end, and an outcome without one."""

from pathlib import Path

import pytest
from stages import job_of, run_of

from tasks.cpu_fallback import fall_back
from tasks.diarize import diarize
from tasks.engine.core.errors import DeviceError, EngineError
from tasks.inference_job import silent_inference

pytestmark = pytest.mark.usefixtures("clean_settings")


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Where a video lies."""
    return tmp_path / "clip.mp4"


def test_an_outcome_says_that_the_first_device_failed(video: Path) -> None:
    """The files carry attempts, reason and the plan that computed in the end."""
    again = fall_back(job_of(run_of(video, gpu=True)), DeviceError("lost"))
    assert again is not None
    facts = diarize(again).facts()

    assert (facts["attempts"], facts["fallback_reason"], facts["plan"]["device"]) == (2, "lost", "cpu")


def test_silence_needs_no_device(video: Path) -> None:
    """Without an audio stream nobody speaks, no inference has a name, and the reference would say the same."""
    outcome = silent_inference(run_of(video, gpu=True).plan)

    assert (outcome.diarization.turns, len(outcome.diarization.scores.values), outcome.name) == ((), 0, None)
    assert outcome.plan.is_reference
    assert outcome.facts()["note"] == "no_audio_stream"


def test_a_reference_is_the_candidates_job_on_the_cpu(video: Path) -> None:
    """Same samples, parameters and store; CPU, FP32, the exact engine."""
    job = job_of(run_of(video, gpu=True, profile="shared_amp"))
    reference = job.as_reference()

    assert (reference.role, reference.plan.is_reference) == ("reference", True)
    assert (reference.parameters, reference.store, reference.diarizer) == (job.parameters, job.store, job.diarizer)


def test_a_cancelled_job_ends_at_its_next_report(video: Path) -> None:
    """Until then its reports pass as they are."""
    from threading import Event

    cancelled, told = Event(), []
    job = job_of(run_of(video), progress=lambda *report: told.append(report)).cancellable(cancelled)
    job.progress("segmentation", 1, 2)
    cancelled.set()

    with pytest.raises(EngineError, match="stopped"):
        job.progress("segmentation", 2, 2)
    assert told == [("segmentation", 1, 2)]

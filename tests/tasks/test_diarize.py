"""Inference behind the result store, and candidate and reference beside each other; the networks are scripted."""

from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest
from stages import PATIENCE_SEC, TURNS, Gate, job_of, run_of

from tasks.diarize import diarize, diarize_both, require_finite
from tasks.engine.core.choices import Reference
from tasks.engine.core.errors import DeviceError, NonFiniteError, UsageError
from tasks.engine.core.turns import SpeechScores
from tasks.engine.devices.plan import DevicePlan
from tasks.engine.inference.types import Diarization
from tasks.engine.testing import ScriptedDiarizer
from tasks.inference_job import InferenceJob

pytestmark = pytest.mark.usefixtures("clean_settings")

BAD = (np.nan, np.inf, -np.inf)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Where a video lies."""
    return tmp_path / "clip.mp4"


def with_score(value: float, at: int = 2) -> Diarization:
    """A result with one score of that value, at frames of half a second from 0.25 s on."""
    scores = np.zeros(10, dtype=np.float32)
    scores[at] = value
    return Diarization((), SpeechScores(scores, 0.25, 0.5))


def test_the_second_time_a_result_comes_from_the_store(video: Path) -> None:
    """Equal turns, scores and facts, under the same name; neither networks nor samples are touched."""
    diarizer = ScriptedDiarizer(TURNS)
    first = diarize(job_of(run_of(video), diarizer))

    def no_samples() -> Any:
        raise AssertionError("the samples were read for a result that is known")

    second = diarize(job_of(run_of(video), diarizer, samples=no_samples))

    assert len(diarizer.calls) == 1
    assert second.name == first.name
    assert second.diarization.turns == first.diarization.turns
    assert np.array_equal(second.diarization.scores.values, first.diarization.scores.values)
    assert second.facts() == first.facts()


def test_another_device_has_a_result_of_its_own(video: Path) -> None:
    """What the CPU computed is never taken for the GPU's answer."""
    diarizer = ScriptedDiarizer(TURNS)
    on_gpu = job_of(run_of(video, gpu=True), diarizer)

    diarize(on_gpu.as_reference())
    diarize(on_gpu)

    assert [plan.on_cpu for plan in diarizer.calls] == [True, False]


@pytest.mark.parametrize("value", BAD)
def test_a_score_that_is_no_number_is_refused_and_not_kept(video: Path, value: float) -> None:
    """The next run computes again instead of finding the bad result."""
    bad = job_of(run_of(video), lambda *_: with_score(value))
    with pytest.raises(NonFiniteError):
        diarize(bad)

    assert bad.store.get(bad.name_of(bad.plan)) is None
    assert diarize(job_of(run_of(video))).diarization.turns


def test_a_stored_score_that_is_no_number_is_refused(video: Path) -> None:
    """What comes from the store is held to the same as what was just computed."""
    job = job_of(run_of(video))
    job.store.put(job.name_of(job.plan), with_score(np.nan))

    with pytest.raises(NonFiniteError):
        diarize(job)


@pytest.mark.parametrize("value", BAD)
def test_the_first_bad_score_is_named_by_its_time(value: float) -> None:
    """Frame 2 of a grid that begins at 0.25 s and advances by 0.5 s is at 1.25 s."""
    with pytest.raises(NonFiniteError, match=r"at 1\.25 s is not finite"):
        require_finite(with_score(value))
    require_finite(with_score(1.0))


def test_progress_says_whose_it_is(video: Path) -> None:
    """Candidate and reference share one progress bar."""
    told: list[tuple[str, int, int]] = []
    diarize(job_of(run_of(video), role="reference", progress=lambda *report: told.append(report)))

    assert told == [("reference: segmentation", 1, 1)]


def test_a_reference_that_has_to_wait_is_announced(video: Path) -> None:
    """Where both need the CPU: a bar that stood at its end while half of the work is to come would mislead."""
    told: list[tuple[str, int, int]] = []
    candidate = job_of(run_of(video, profile="cpu_amp_unsafe"), progress=lambda *report: told.append(report))
    diarize_both(candidate, Reference.CPU)

    assert told[0] == ("reference: waiting", 0, 1)


def test_candidate_and_reference_are_computed_at_the_same_time(video: Path) -> None:
    """With the candidate on a GPU each waits inside its inference for the other: one after the other never ends."""
    both = Barrier(2, timeout=PATIENCE_SEC)
    script = ScriptedDiarizer(TURNS)

    def meeting(*arguments: Any) -> Diarization:
        both.wait()
        return script(*arguments)

    candidate, reference = diarize_both(job_of(run_of(video, gpu=True), meeting), Reference.CPU)

    assert candidate.plan.device == "cuda:0"
    assert reference is not None
    assert reference.plan.is_reference


def test_on_one_device_they_are_computed_one_after_the_other(video: Path) -> None:
    """A CPU candidate that is not the reference shares its device: the reference begins when it has ended."""
    order: list[tuple[str, bool]] = []
    script = ScriptedDiarizer(TURNS)

    def noting(*arguments: Any) -> Diarization:
        order.append(("begins", arguments[1].is_reference))
        result = script(*arguments)
        order.append(("ends", arguments[1].is_reference))
        return result

    diarize_both(job_of(run_of(video, profile="cpu", engine="shared"), noting), Reference.CPU)

    assert order == [("begins", False), ("ends", False), ("begins", True), ("ends", True)]


@pytest.mark.parametrize(("gpu", "reference"), [(True, Reference.NONE), (False, Reference.CPU)])
def test_no_reference_where_none_is_wanted_or_needed(video: Path, gpu: bool, reference: Reference) -> None:
    """Publishing unverified was asked for, or the candidate is computed like the reference."""
    diarizer = ScriptedDiarizer(TURNS)

    assert diarize_both(job_of(run_of(video, gpu=gpu), diarizer), reference)[1] is None
    assert len(diarizer.calls) == 1


class HoursOfReference:
    """A reference that reports progress until it is stopped, beside a candidate that fails once both are under way."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.under_way, self.stopped = Gate(), Gate()

    def __call__(self, _samples: Any, plan: DevicePlan, _parameters: Any, progress: Any) -> Diarization:
        """Play one of both sides."""
        if not plan.on_cpu:
            self.under_way.wait()
            raise self.error
        self.under_way.open()
        try:
            for step in range(10**9):
                progress("segmentation", step, 10**9)
        finally:
            self.stopped.open()
        raise AssertionError("nobody stopped it")


def test_a_candidate_that_fails_for_good_stops_its_reference(video: Path) -> None:
    """Nobody waits for hours of reference; the error is the candidate's own, and nothing of the reference is kept."""
    diarizer = HoursOfReference(NonFiniteError("NaN in segmentation"))
    job = job_of(run_of(video, gpu=True), diarizer)

    with pytest.raises(NonFiniteError, match="NaN in segmentation"):
        diarize_both(job, Reference.CPU)
    diarizer.stopped.wait()
    assert job.store.get(job.name_of(job.plan.as_reference())) is None


def test_a_candidate_that_fell_back_needs_no_reference(video: Path) -> None:
    """Its second attempt is the reference's own computation, and is computed only once."""
    diarizer = ScriptedDiarizer(TURNS, cuda_failure=DeviceError("out of memory"))
    candidate, reference = diarize_both(job_of(run_of(video, gpu=True), diarizer), Reference.CPU)

    assert (candidate.plan.is_reference, candidate.attempts, reference) == (True, 2, None)
    assert [plan.on_cpu for plan in diarizer.calls].count(True) == 1


def test_a_stored_reference_is_taken_and_never_computed(video: Path) -> None:
    """Without one the request cannot be served, and the sentence says what to do."""
    diarizer = ScriptedDiarizer(TURNS)

    def job() -> InferenceJob:
        return job_of(run_of(video, gpu=True), diarizer)

    with pytest.raises(UsageError, match="--reference cpu"):
        diarize_both(job(), Reference.STORED)
    assert all(not plan.on_cpu for plan in diarizer.calls)

    diarize(job().as_reference())
    _, reference = diarize_both(job(), Reference.STORED)
    assert reference is not None
    assert [plan.on_cpu for plan in diarizer.calls].count(True) == 1

"""A reference by sample: when one is wanted, what it leads to, and a whole one where it does not suffice."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scripted_runs
from replay import Samples
from speech import cpu_plan, recording, recording_path
from stages import TURNS, Gate, job_of, run_of, silence, staged

from flows.recipes.audio_analysis import analyse
from profiles.settings import Configuration
from tasks import spot_check
from tasks.detection_rate import DetectionRate
from tasks.engine.batch.discovery import DiscoveredVideo, mark_current
from tasks.engine.core.choices import Reference, Verdict
from tasks.engine.core.errors import DeviceError, DriftError
from tasks.engine.dependencies import recompute
from tasks.engine.devices.plan import DevicePlan
from tasks.engine.gate.drift_report import DriftReport
from tasks.engine.gate.findings import SpotCheck
from tasks.engine.gate.tolerance import Tolerance
from tasks.engine.inference.diarizer import diarize
from tasks.engine.inference.recomputation import replay
from tasks.engine.inference.result_store import ResultStore
from tasks.engine.inference.types import Diarization, Parameters, Progress
from tasks.engine.inference.window_outputs import Recomputed, WindowOutputs
from tasks.engine.models.registry import identity
from tasks.engine.publishing.manifest import Published
from tasks.engine.testing import ScriptedDiarizer
from tasks.inference_job import Outcome
from tasks.requests import request_keys
from tasks.spot_check import diarize_and_recompute, needs_reference, seeds_for, unsampled

pytestmark = pytest.mark.usefixtures("clean_settings")


NO_WINDOWS = WindowOutputs.of(np.zeros((0, 1), np.float32), np.zeros((0, 1, 1)))


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """However short the audio is, a sample is drawn."""
    monkeypatch.setattr(spot_check, "SHORTEST_SEC", 0)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Where a video lies."""
    return tmp_path / "clip.mp4"


def test_short_audio_is_compared_whole(video: Path) -> None:
    """A tenth of next to nothing saves nothing."""
    run = run_of(video, gpu=True, reference="sampled")

    assert seeds_for(run, silence(run)) == ()


@pytest.mark.usefixtures("always")
def test_a_fresh_number_is_drawn_beside_the_samples_hash(video: Path) -> None:
    """The first follows from the audio, the second is another each time; nothing where no sample was asked for."""
    run = run_of(video, gpu=True, reference="sampled")
    samples = silence(run)
    first, second = seeds_for(run, samples), seeds_for(run, samples)

    assert first[0] == second[0] == int(samples.sha256[:16], 16)
    assert first[1] != second[1]
    for other in set(Reference) - {Reference.SAMPLED}:
        assert seeds_for(run_of(video, gpu=True, reference=other), samples) == ()


def passed(*doubts: str) -> DriftReport:
    """A report on a sample."""
    finding = SpotCheck(
        100, (0, 50, 99), 7, 0.0, None, 0, 300, 0, 0.63, 0.95, proves_grouping=True, neighbours={}, doubts=doubts
    )
    return DriftReport(Verdict.COHERENT, Tolerance(), spot_check=finding)


@pytest.mark.parametrize(
    ("rate", "checked", "needed"),
    [
        (DetectionRate.USUAL, None, False),
        (DetectionRate.TOO_LOW, None, True),
        (DetectionRate.USUAL, passed(), False),
        (DetectionRate.USUAL, passed("window 5 differs"), True),
        (DetectionRate.TOO_LOW, passed(), True),
        (DetectionRate.USUAL, unsampled("no windows"), True),
    ],
)
def test_when_the_whole_reference_is_needed(rate: DetectionRate, checked: DriftReport | None, *, needed: bool) -> None:
    """Where the rate cannot be believed or a doubt is left, unless it was computed already."""
    assert needs_reference(rate, None, checked) is needed


def test_a_reference_that_is_there_is_not_computed_again(video: Path) -> None:
    """Doubts or not."""
    run = run_of(video, gpu=True)
    outcome = Outcome(ScriptedDiarizer(TURNS)(np.zeros(80000, np.float32), run.plan, run.parameters, print), run.plan)

    assert not needs_reference(DetectionRate.TOO_LOW, outcome, passed("window 5 differs"))


@pytest.mark.usefixtures("always")
def test_a_candidate_that_fell_back_to_the_cpu_needs_no_sample(video: Path) -> None:
    """It is the reference's own answer."""
    run = run_of(video, gpu=True, reference="sampled")
    job = job_of(run, seeds=(1, 2))
    outcome = Outcome(ScriptedDiarizer(TURNS)(job.samples(), run.plan.as_reference(), run.parameters, print), run.plan)
    run.store.put("kept", replace(outcome.diarization, windows=NO_WINDOWS))
    reference = replace(outcome, plan=run.plan.as_reference(), name="kept")

    assert run.store.get("kept", with_windows=True)
    assert spot_check.spot_check(run, job, silence(run), reference, staged(run, outcome), None) is None

    assert run.store.get("kept")
    assert not run.store.get("kept", with_windows=True)


def test_outliers_are_computed_on_the_cpu(video: Path) -> None:
    """Just those windows, with the reference's plan and the candidate's parameters; progress counts as the sample's."""
    asked: list[Any] = []
    told: list[str] = []

    def recompute(
        _samples: object, plan: DevicePlan, parameters: Parameters, choose: Any, progress: Progress
    ) -> Recomputed:
        asked.extend((plan, parameters, choose(100, 10).tolist()))
        progress("embeddings", 1, 2)
        return Recomputed(choose(100, 10), NO_WINDOWS, 100, 0.5)

    run = run_of(video, gpu=True, reference="sampled")
    job = replace(job_of(run, seeds=(1, 2)), recompute=recompute, progress=lambda step, *_: told.append(step))

    assert spot_check.recompute_outliers(job, np.array([3, 5]))
    assert asked == [run.plan.as_reference(), job.parameters, [3, 5]]
    assert told == ["sample: embeddings"]


def test_a_candidate_that_falls_back_stops_its_sample(video: Path) -> None:
    """The CPU then computes the candidate alone; the sample ends at its next report, and is none."""
    under_way, told = Gate(), []

    def forever(*arguments: Any) -> None:
        under_way.open()
        for step in range(10**9):
            arguments[-1]("segmentation", step, 10**9)

    def card(samples: Any, plan: DevicePlan, *rest: Any, **_: Any) -> Diarization:
        if not plan.on_cpu:
            under_way.wait()
            raise DeviceError("out of memory")
        return ScriptedDiarizer(TURNS)(samples, plan, *rest)

    job = job_of(run_of(video, gpu=True, reference="sampled"), card, recompute=forever, seeds=(1, 2))
    job = replace(job, tell_fallback=lambda _plan, reason: told.append(reason))
    candidate, sample = diarize_and_recompute(job)

    assert (candidate.plan.is_reference, candidate.attempts, sample) == (True, 2, None)
    assert ["out of memory" in reason for reason in told] == [True]


def test_the_shared_engine_on_the_cpu_is_still_held_against_a_sample(video: Path) -> None:
    """A fallback keeps the engine: its answer is not the reference's, so the sample goes on."""
    told = Gate()

    def once(*arguments: Any) -> str:
        told.wait()
        arguments[-1]("segmentation", 1, 1)
        return "a sample"

    diarizer = ScriptedDiarizer(TURNS, cuda_failure=DeviceError("out of memory"))

    def card(*arguments: Any, **_: Any) -> Diarization:
        return diarizer(*arguments)

    job = job_of(run_of(video, gpu=True, profile="shared", reference="sampled"), card, recompute=once, seeds=(1, 2))
    job = replace(job, tell_fallback=lambda *_: told.open())
    candidate, sample = diarize_and_recompute(job)

    assert (candidate.plan.on_cpu, candidate.plan.is_reference, sample) == (True, False, "a sample")


@pytest.mark.usefixtures("always")
def test_the_references_own_device_and_precision_need_no_sample(video: Path) -> None:
    """On a machine without a GPU there is nothing to hold the output against, and no window is kept for it."""
    run = run_of(video, reference="sampled", profile="cpu")

    assert seeds_for(run, silence(run)) == ()


@pytest.mark.usefixtures("always")
def test_a_doubt_is_remembered_until_a_whole_reference_agrees(video: Path) -> None:
    """Whoever starts a doubted run again is given no other draw."""
    run = run_of(video, gpu=True, reference="sampled")
    samples = silence(run)
    run.store.doubt(samples.sha256, "this")
    run.store.doubt(samples.sha256, "that")

    assert seeds_for(run, samples) == ()
    run.store.clear_doubt(samples.sha256, "this")
    assert seeds_for(run, samples) == ()
    run.store.clear_doubt(samples.sha256, "that")
    assert seeds_for(run, samples)


def test_a_doubt_outlives_the_agreement_of_another_computation(real_video: Path) -> None:
    """That the shared engine agrees as a whole says nothing of the exact one's card, which was doubted."""
    store = ResultStore(real_video.parent / ".step4" / "inferences")
    asked = scripted_runs.publish(real_video, ScriptedDiarizer(TURNS), gpu=True, reference="none")
    sha256 = asked.manifest["source"]["samples_sha256"]
    store.doubt(sha256, "the exact engine's")
    published = scripted_runs.publish(real_video, ScriptedDiarizer(TURNS), gpu=True, profile="shared")

    assert published.manifest["verdict"] == "coherent"
    assert store.is_doubted(sha256)


@pytest.mark.usefixtures("always")
def test_windows_of_another_step_are_not_the_references(video: Path) -> None:
    """Where another step was chosen the whole reference is computed from the start."""
    run = run_of(video, gpu=True, reference="sampled", segmentation_step=0.2)

    assert seeds_for(run, silence(run)) == ()


@pytest.mark.usefixtures("always")
def test_what_cannot_be_sampled_is_compared_whole(real_video: Path) -> None:
    """A model set that does not work window by window: the whole reference decides, and the report says why."""
    diarizer = ScriptedDiarizer(TURNS)
    published = scripted_runs.publish(real_video, diarizer, gpu=True, reference="sampled")

    assert [plan.is_reference for plan in diarizer.calls] == [False, True]
    assert published.manifest["verdict"] == "coherent"
    assert "does not work window by window" in str(published.manifest["spot_check"]["doubts"])
    assert "by sample" not in published.manifest["verdict_sentence"]


@cache
def real_run() -> Diarization:
    """The exact engine's run on the shipped recording, with its windows."""
    return diarize(recording(), cpu_plan(), Parameters(), keep_windows=True)


def card(change: Callable[[WindowOutputs], None] = lambda _: None) -> Callable[..., Diarization]:
    """A GPU that gives what the exact engine gave, but for a change; the CPU computes. Turns follow from windows."""

    def diarizer(
        samples: Samples, plan: DevicePlan, parameters: Parameters, progress: Progress, **options: bool
    ) -> Diarization:
        if plan.on_cpu:
            return diarize(samples, plan, parameters, progress, **options)
        kept = real_run().windows
        assert kept is not None
        windows = WindowOutputs(kept.speech.copy(), kept.decisions.copy(), kept.embeddings.copy())
        change(windows)
        follows = replay(windows, samples, plan.as_reference(), parameters).diarization
        return replace(follows, facts=real_run().facts, windows=windows)

    return diarizer


def sampled(video: Path, diarizer: Callable[..., Diarization], **settings: str) -> Published:
    """Run the recipe with a reference by sample, real networks on the CPU."""
    dependencies = replace(scripted_runs.dependencies(diarizer, gpu=True), recompute=recompute)
    return analyse(video, video.parent, Configuration.resolve({"reference": "sampled", **settings}), dependencies)


@pytest.mark.slow
@pytest.mark.usefixtures("always")
def test_a_sound_candidate_is_published_by_sample(real_video: Path) -> None:
    """Coherent; the sentence and the manifest say how many windows were computed again; nothing is left behind."""
    manifest = sampled(real_video, card()).manifest
    found = manifest["spot_check"]

    assert manifest["verdict"] == "coherent"
    assert f"by sample: {len(found['recomputed'])} of 21 windows computed again" in manifest["verdict_sentence"]
    assert found["doubts"] == []
    assert found["largest_score_difference"] < 1e-3
    assert list(real_video.parent.rglob("*.windows")) == []
    drift = json.loads((real_video.parent / "speech_drift.json").read_text())
    assert drift["spot_check"] == found
    assert drift["criteria"]


@pytest.mark.slow
@pytest.mark.usefixtures("always")
def test_a_whole_proof_answers_later_requests_for_a_sample_but_not_the_other_way_round(real_video: Path) -> None:
    """After a sample the whole reference is computed for whoever asks, and upgrades it; then nobody computes again."""
    assert not sampled(real_video, card()).already
    assert sampled(real_video, card()).already
    upgraded = sampled(real_video, card(), reference="cpu")

    assert not upgraded.already
    assert upgraded.manifest["spot_check"] is None
    assert sampled(real_video, card()).already
    assert not current(real_video, "stored")
    assert current(real_video, "sampled")


def current(video: Path, reference: str) -> bool:
    """Would a batch that asks for this proof leave the video alone?"""
    keys = request_keys(Configuration.resolve({"reference": reference}), identity("offline"))
    return next(mark_current([DiscoveredVideo(video)], None, keys)).current


@pytest.mark.slow
@pytest.mark.usefixtures("always")
def test_a_doubt_leads_to_the_whole_reference_which_refuses_a_drift(real_video: Path) -> None:
    """Every other window silent: the sample doubts it, the whole reference is computed, nothing is published."""

    def silence_half(windows: WindowOutputs) -> None:
        windows.speech[::2] = 0
        windows.decisions[::2] = 0

    with pytest.raises(DriftError, match="criteria failed"):
        sampled(real_video, card(silence_half))
    drift = json.loads((real_video.parent / ".step4" / "refused" / "speech" / "drift.json").read_text())

    assert drift["verdict"] == "drift"
    assert list(real_video.parent.rglob("*.doubted"))
    assert drift["spot_check"]["doubts"]
    assert any("A reference by sample was asked for; the whole one was computed" in note for note in drift["notes"])


@pytest.mark.slow
@pytest.mark.usefixtures("always")
def test_a_drift_found_as_a_whole_takes_back_what_was_published_by_sample(real_video: Path) -> None:
    """A sample may miss what the whole reference sees: its publication was never proved as a whole."""
    sampled(real_video, card())
    manifest = real_video.parent / "speech_step4.json"
    assert manifest.exists()

    def silence_most(windows: WindowOutputs) -> None:
        windows.decisions[4:] = 0
        windows.speech[4:] = 0

    shutil.rmtree(real_video.parent / ".step4")
    with pytest.raises(DriftError):
        sampled(real_video, card(silence_most), reference="cpu")

    assert not manifest.exists()


@pytest.mark.slow
@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("threshold", ["0", "0.3", "0.9"])
def test_other_speech_thresholds_are_checked_too(
    real_video: Path, threshold: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sound candidate is published by sample whatever counts as speech."""
    monkeypatch.setenv("SPEECH_DETECTION_THRESHOLD", threshold)

    assert sampled(real_video, real_card).manifest["spot_check"]["doubts"] == []


def real_card(
    samples: Samples, plan: DevicePlan, parameters: Parameters, progress: Progress, **options: bool
) -> Diarization:
    """A GPU that computes as the CPU does."""
    return diarize(samples, plan.as_reference(), parameters, progress, **options)


@pytest.mark.slow
@pytest.mark.usefixtures("always")
def test_a_doubt_about_a_sound_candidate_costs_time_only(real_video: Path) -> None:
    """A drawn window's embeddings lie apart, and the timeline is the same: the whole reference finds it coherent."""

    def blur(windows: WindowOutputs) -> None:
        windows.embeddings[0] += np.random.default_rng(3).normal(scale=0.3, size=windows.embeddings[0].shape)

    manifest = sampled(real_video, card(blur)).manifest

    assert not list(real_video.parent.rglob("*.doubted"))

    assert manifest["spot_check"]["doubts"]
    assert "by sample" not in manifest["verdict_sentence"]


@pytest.fixture
def real_video(tmp_path: Path) -> Path:
    """Real sound in a file of its own."""
    path = tmp_path / "speech.wav"
    path.write_bytes(recording_path().read_bytes())
    return path

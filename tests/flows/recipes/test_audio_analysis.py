"""The recipe from video to publication: real ffmpeg, real files; only the networks are scripted."""

import json
import logging
import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest
from media_samples import clip, cut, ffmpeg, picture
from prefect import flow
from scripted_runs import TURNS, beside, publish, with_device_errors

from tasks.engine.core.errors import DriftError, MediaError, NonFiniteError, UsageError
from tasks.engine.core.turns import Turn
from tasks.engine.formats import rttm, turns_parquet
from tasks.engine.formats.detect import load_timeline
from tasks.engine.inference.result_store import ResultStore
from tasks.engine.publishing.manifest import Published, load_verified_manifest
from tasks.engine.system.stale_files import pid_namespace
from tasks.engine.testing import ScriptedDiarizer

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("clean_settings")]


PUBLISHED = {
    "clip_timeline.parquet",
    "clip_turns.parquet",
    "clip_audio.json",
    "clip.rttm",
    "clip_drift.json",
    "clip_step4.json",
}


@pytest.fixture(params=[False, True], ids=["alone", "in a flow run"])
def start(request: pytest.FixtureRequest) -> Callable[..., Published]:
    """The recipe by itself, and inside a flow run: for whatever rests on threads, retries, or errors on their way."""
    if not request.param:
        return publish
    request.getfixturevalue("prefect_server")
    return lambda *given, **settings: flow(name="test")(lambda: publish(*given, **settings))()


def test_a_video_ends_as_the_documented_files(start: Callable[..., Published], video: Path) -> None:
    """Six files appear, the manifest lists the others with their checksums, and all tell the same story."""
    published = start(video, ScriptedDiarizer(TURNS))

    assert beside(video) == PUBLISHED
    assert set(published.manifest["files"]) == PUBLISHED - {"clip_step4.json"}
    assert load_verified_manifest(published.path) == published.manifest
    timeline = load_timeline(video.parent / "clip_timeline.parquet")
    also = load_timeline(video.parent / "clip_audio.json")
    assert timeline.frames == also.frames == 125
    assert np.array_equal(timeline.speech, also.speech)
    assert [(t.start, t.end, t.speaker) for t in turns_parquet.read(video.parent / "clip_turns.parquet")] == [
        (t.start, t.end, t.speaker) for t in TURNS
    ]
    assert [t.speaker for t in rttm.read(video.parent / "clip.rttm")] == ["SPEAKER_00", "SPEAKER_01"]


def test_the_metadata_says_where_everything_comes_from(video: Path) -> None:
    """The Parquet file carries source, samples, device actually used, models, parameters, versions and summary."""
    publish(video, ScriptedDiarizer(TURNS))
    metadata = load_timeline(video.parent / "clip_timeline.parquet").metadata

    assert metadata["schema_version"] == 1
    assert metadata["source"]["name"] == "clip.mp4"
    assert metadata["source"]["fps"] == "25/1"
    assert len(metadata["source"]["sha256"]) == len(metadata["source"]["samples_sha256"]) == 64
    assert metadata["profile"] == "gpu_fp32"
    assert {"device", "device_name", "precision", "batch_size", "attempts", "fallback_reason"} <= set(
        metadata["device"]
    )
    assert set(metadata["models"]) == {"segmentation-3.0.bin", "campplus_zh_en.pt"}
    assert {"torch", "pyannote.audio"} <= set(metadata["versions"])
    assert metadata["parameters"]["speech_threshold"] == 0.5
    assert metadata["summary"]["speech_frames"] == 75
    assert metadata["summary"]["first_speech_sec"] == 0.48


def test_on_a_cpu_the_output_is_the_reference_and_no_passed_comparison(video: Path) -> None:
    """A CPU machine computes once and publishes under the verdict `reference`."""
    diarizer = ScriptedDiarizer(TURNS)

    assert publish(video, diarizer).manifest["verdict"] == "reference"
    assert len(diarizer.calls) == 1


def test_a_gpu_that_agrees_is_published_as_coherent(video: Path) -> None:
    """Candidate and reference both run, on their own devices, and the GPU's output is what is published."""
    diarizer = ScriptedDiarizer(TURNS)
    manifest = publish(video, diarizer, gpu=True).manifest

    assert manifest["verdict"] == "coherent"
    assert manifest["device"]["device"] == "cuda:0"
    assert sorted(plan.device for plan in diarizer.calls) == ["cpu", "cuda:0"]


def test_candidate_and_reference_run_at_the_same_time_on_their_own_devices(
    start: Callable[..., Published], video: Path
) -> None:
    """Each waits inside its inference until the other has begun: one after the other would never end."""
    both = Barrier(2, timeout=60)

    def meet(*arguments: Any) -> Any:
        both.wait()
        return ScriptedDiarizer(TURNS)(*arguments)

    assert start(video, meet, gpu=True).manifest["verdict"] == "coherent"


def test_a_failing_candidate_does_not_wait_for_its_reference(start: Callable[..., Published], video: Path) -> None:
    """The reference is stopped at its next sign of progress: it may have hours to go."""
    steps: list[int] = []

    def slow_reference(*arguments: Any) -> Any:
        samples, plan, parameters, progress = arguments
        if not plan.on_cpu:
            raise NonFiniteError("NaN")
        for step in range(600):
            progress("segmentation", step, 600)
            steps.append(step)
            time.sleep(0.1)
        return ScriptedDiarizer(TURNS)(samples, plan, parameters, progress)

    with pytest.raises(NonFiniteError):
        start(video, slow_reference, gpu=True)

    assert len(steps) < 300


def test_a_fallback_needs_no_stored_reference(video: Path) -> None:
    """A candidate that fell back is the reference's own output, whatever the store lacks."""
    broken = with_device_errors(ScriptedDiarizer(TURNS, cuda_failure=RuntimeError("CUDA out of memory")))

    assert publish(video, broken, gpu=True, reference="stored").manifest["verdict"] == "reference"


def test_a_repaired_device_is_asked_again_after_a_drift(video: Path) -> None:
    """What drifted is forgotten; the reference is kept."""
    with pytest.raises(DriftError):
        publish(video, ScriptedDiarizer(TURNS, candidate=TURNS[:1]), gpu=True)
    healthy = ScriptedDiarizer(TURNS)

    assert publish(video, healthy, gpu=True).manifest["verdict"] == "coherent"
    assert [plan.device for plan in healthy.calls] == ["cuda:0"]


def test_a_refused_new_version_retires_the_publication_of_the_old_one(video: Path) -> None:
    """When the video itself changed, its earlier timeline must not be taken for the new video's."""
    publish(video, ScriptedDiarizer(TURNS))
    video.write_bytes(clip(video.parent / "other.mp4", rate="50").read_bytes())
    (video.parent / "other.mp4").unlink()

    with pytest.raises(DriftError):
        publish(video, ScriptedDiarizer(TURNS, candidate=TURNS[:1]), gpu=True)

    assert beside(video) == set()
    retired = video.parent / ".step4" / "refused" / "clip" / "previous"
    assert {path.name for path in retired.iterdir()} == PUBLISHED


def test_two_videos_of_one_stem_do_not_overwrite_each_other(video: Path) -> None:
    """clip.mkv beside a published clip.mp4 is refused, and the message names both."""
    publish(video, ScriptedDiarizer(TURNS))
    twin = Path(shutil.copy(video, video.with_suffix(".mkv")))

    with pytest.raises(UsageError, match=r"clip\.mp4.*clip\.mkv"):
        publish(twin, ScriptedDiarizer(TURNS))

    video.unlink()
    assert publish(twin, ScriptedDiarizer(TURNS)).manifest["source"]["name"] == "clip.mkv"


@pytest.mark.parametrize(
    "harm", [lambda b: b[: len(b) // 2], lambda b: b[:200] + bytes([b[200] ^ 1]) + b[201:], lambda _: b""]
)
def test_a_damaged_inference_is_computed_again(video: Path, harm: Callable[[bytes], bytes]) -> None:
    """Truncated, one bit flipped, or empty: the store's entry counts as absent."""
    publish(video, ScriptedDiarizer(TURNS))
    (video.parent / "clip_turns.parquet").unlink()
    entry = next((video.parent / ".step4" / "inferences").glob("*.npz"))
    entry.write_bytes(harm(entry.read_bytes()))
    diarizer = ScriptedDiarizer(TURNS)

    assert publish(video, diarizer).manifest["summary"]["speech_frames"] == 75
    assert len(diarizer.calls) == 1


def test_a_stored_nan_is_refused_too(video: Path) -> None:
    """What comes from the store is checked like what was just computed."""
    publish(video, ScriptedDiarizer(TURNS))
    (video.parent / "clip_turns.parquet").unlink()
    store = ResultStore(video.parent / ".step4" / "inferences")
    name = next(store.folder.glob("*.npz")).stem
    kept = store.get(name)
    values = np.full_like(kept.scores.values, np.nan)
    store.put(name, replace(kept, scores=replace(kept.scores, values=values)))

    with pytest.raises(NonFiniteError):
        publish(video, ScriptedDiarizer(TURNS))


def test_the_manifest_tells_what_devices_were_found(video: Path) -> None:
    """Cards, memory, compute capability and torch build land in the manifest as values."""
    found = publish(video, ScriptedDiarizer(TURNS), gpu=True).manifest["device"]["found"]

    assert found["torch"] == "2.11.0+cu130"
    assert found["cuda"][0]["capability"] == "7.5"


def test_two_runs_on_one_clip_compute_once(start: Callable[..., Published], video: Path) -> None:
    """The second waits for the first and finds its publication; neither harms the other's files."""
    diarizer = ScriptedDiarizer(TURNS)
    with ThreadPoolExecutor(2) as pool:
        began = [pool.submit(copy_context().run, start, video, diarizer) for _ in range(2)]
        results = [one.result() for one in began]

    assert sorted(result.already for result in results) == [False, True]
    assert len(diarizer.calls) == 1
    assert beside(video) == PUBLISHED


def test_staging_of_a_killed_process_is_swept_and_a_live_ones_is_left(video: Path) -> None:
    """Only what belongs to no living process of this machine goes."""
    staging = video.parent / ".step4" / "staging"
    dead, alive, elsewhere = (
        staging / f"{node}-{pid}-abc"
        for node, pid in ((pid_namespace(), 2**22 + 1), (pid_namespace(), 1), ("other", 1))
    )
    for folder in (dead, alive, elsewhere):
        folder.mkdir(parents=True)
    publish(video, ScriptedDiarizer(TURNS))

    assert [folder.exists() for folder in (dead, alive, elsewhere)] == [False, True, True]


def inconsistencies() -> list[dict[str, Any]]:
    """The lines of the inconsistencies log."""
    path = Path(os.environ["STEP4_DIAGNOSTICS_DIR"]) / "debug" / "audio_inconsistencies.log"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_next_to_no_speech_is_believed_only_of_the_cpu(video: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Under 5 %: the CPU is asked even where no reference was wanted, and its answer is what is published."""
    little = (Turn(1.0, 1.2, "A"),)
    diarizer = ScriptedDiarizer(little)
    with caplog.at_level(logging.WARNING, logger="step4"):
        manifest = publish(video, diarizer, gpu=True, reference="none").manifest

    assert (manifest["verdict"], manifest["device"]["device"]) == ("reference", "cpu")
    assert [plan.device for plan in diarizer.calls] == ["cuda:0", "cpu"]
    assert "Taux de détection faible (4%), activation du fallback CPU" in caplog.messages
    assert inconsistencies()[0]["kind"] == "low_detection_rate"


def test_a_device_that_lost_the_speech_is_a_drift(video: Path) -> None:
    """Little speech on the GPU and much on the CPU is the incident itself: never papered over by the fallback."""
    diarizer = ScriptedDiarizer(TURNS, candidate=(Turn(1.0, 1.2, "SPEAKER_00"),))

    with pytest.raises(DriftError):
        publish(video, diarizer, gpu=True, reference="none")

    assert [line["kind"] for line in inconsistencies()] == ["low_detection_rate", "drift"]


def test_little_speech_is_warned_of(video: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Under 20 %, or under 5 % on the CPU itself: one warning, published all the same."""
    with caplog.at_level(logging.WARNING, logger="step4"):
        manifest = publish(video, ScriptedDiarizer((Turn(1.0, 1.8, "A"),)), gpu=True).manifest

    assert manifest["verdict"] == "coherent"
    assert "[PROFILING] Taux de détection bas (16%), vérifier le modèle" in caplog.messages


def test_drift_fails_the_run_and_publishes_nothing(start: Callable[..., Published], video: Path) -> None:
    """The error names the worst criterion with value and limit; both timelines are kept where no reader looks."""
    diarizer = ScriptedDiarizer(TURNS, candidate=TURNS[:1])

    with pytest.raises(DriftError, match=r"speaker count difference 1 speakers \(at most 0 speakers allowed\)"):
        start(video, diarizer, gpu=True)

    assert beside(video) == set()
    refused = video.parent / ".step4" / "refused" / "clip"
    assert json.loads((refused / "drift.json").read_text())["verdict"] == "drift"
    page = (refused / "report.html").read_text(encoding="utf-8")
    assert "Drift: the candidate must not be used." in page
    assert "data:audio/mp4;base64," in page
    assert load_timeline(refused / "candidate" / "timeline.parquet").speakers == ("SPEAKER_00",)
    assert load_timeline(refused / "reference" / "timeline.parquet").speakers == ("SPEAKER_00", "SPEAKER_01")


def test_drift_leaves_an_earlier_publication_as_it_was(video: Path) -> None:
    """What was published before a drift stays whole."""
    before = publish(video, ScriptedDiarizer(TURNS)).manifest

    with pytest.raises(DriftError):
        publish(video, ScriptedDiarizer(TURNS, candidate=TURNS[:1]), gpu=True)

    assert load_verified_manifest(video.parent / "clip_step4.json") == before


@pytest.mark.parametrize(("first", "verdict"), [({"reference": "none"}, "unverified"), ({"on_drift": "warn"}, "drift")])
def test_a_drift_takes_back_what_was_published_without_proof(video: Path, first: dict[str, str], verdict: str) -> None:
    """Unverified or published in spite of a drift: once the gate refuses it, no reader finds it any more."""
    diarizer = ScriptedDiarizer(TURNS, candidate=TURNS[:1])
    assert publish(video, diarizer, gpu=True, **first).manifest["verdict"] == verdict

    with pytest.raises(DriftError):
        publish(video, diarizer, gpu=True)

    assert beside(video) == set()
    assert (video.parent / ".step4" / "refused" / "clip" / "previous" / "clip_step4.json").is_file()


def test_substitute_publishes_the_reference(video: Path) -> None:
    """With on_drift=substitute the reference's own timeline is published, as what it is."""
    diarizer = ScriptedDiarizer(TURNS, candidate=TURNS[:1])
    manifest = publish(video, diarizer, gpu=True, on_drift="substitute").manifest

    assert (manifest["verdict"], manifest["substituted"]) == ("reference", True)
    assert manifest["device"]["device"] == "cpu"
    assert load_timeline(video.parent / "clip_timeline.parquet").speakers == ("SPEAKER_00", "SPEAKER_01")
    assert json.loads((video.parent / "clip_drift.json").read_text())["verdict"] == "drift"


def test_warn_publishes_the_candidate_as_drift(video: Path) -> None:
    """With on_drift=warn the candidate is published, and its manifest says drift."""
    diarizer = ScriptedDiarizer(TURNS, candidate=TURNS[:1])

    manifest = publish(video, diarizer, gpu=True, on_drift="warn").manifest
    assert manifest["verdict"] == "drift"
    assert "clip_report.html" in manifest["files"]
    assert "Drift: the candidate" in (video.parent / "clip_report.html").read_text(encoding="utf-8")
    assert load_timeline(video.parent / "clip_timeline.parquet").speakers == ("SPEAKER_00",)


def test_without_a_reference_the_output_is_unverified(video: Path) -> None:
    """reference=none computes once and says that nothing was proved."""
    diarizer = ScriptedDiarizer(TURNS)

    assert publish(video, diarizer, gpu=True, reference="none").manifest["verdict"] == "unverified"
    assert len(diarizer.calls) == 1


def test_a_stored_reference_is_used_and_a_missing_one_is_an_error(video: Path) -> None:
    """reference=stored never computes the reference."""
    with pytest.raises(UsageError, match="--reference cpu"):
        publish(video, ScriptedDiarizer(TURNS), gpu=True, reference="stored")

    publish(video, ScriptedDiarizer(TURNS))
    diarizer = ScriptedDiarizer(TURNS)
    manifest = publish(video, diarizer, gpu=True, reference="stored").manifest

    assert manifest["verdict"] == "coherent"
    assert "cpu" not in {plan.device for plan in diarizer.calls}


def test_the_same_run_again_does_no_inference(video: Path) -> None:
    """Same input, parameters and models: the publication is found, nothing is computed or rewritten."""
    first = publish(video, ScriptedDiarizer(TURNS), gpu=True)
    diarizer = ScriptedDiarizer(TURNS)
    again = publish(video, diarizer, gpu=True)

    assert again.already
    assert diarizer.calls == []
    assert again.manifest == first.manifest


@pytest.mark.parametrize(
    "change", [{"speech_threshold": 0.6}, {"min_speech_ms": 200}, {"num_speakers": 2}, {"reference": "none"}]
)
def test_another_parameter_is_another_run(video: Path, change: dict[str, Any]) -> None:
    """A publication is not taken for the answer to a different question."""
    publish(video, ScriptedDiarizer(TURNS), gpu=True)

    assert not publish(video, ScriptedDiarizer(TURNS), gpu=True, **change).already


def test_a_changed_video_is_analysed_again(video: Path) -> None:
    """The content counts, not the name."""
    publish(video, ScriptedDiarizer(TURNS))
    video.write_bytes(clip(video.parent / "other.mp4", rate="50").read_bytes())

    assert publish(video, ScriptedDiarizer(TURNS)).manifest["source"]["total_frames"] == 250


def test_a_damaged_publication_is_made_again_without_inference(video: Path) -> None:
    """A file that no longer matches the manifest is not trusted; the finished inference is."""
    publish(video, ScriptedDiarizer(TURNS))
    (video.parent / "clip_turns.parquet").write_text("{}")
    diarizer = ScriptedDiarizer(TURNS)
    again = publish(video, diarizer)

    assert not again.already
    assert diarizer.calls == []
    assert load_verified_manifest(again.path) is not None


def test_a_failing_device_is_replaced_by_the_cpu_once(start: Callable[..., Published], video: Path) -> None:
    """Out of memory on the GPU: one retry on CPU in FP32 with the batch size kept, told in state, log and manifest."""
    diarizer = ScriptedDiarizer(TURNS, cuda_failure=RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    manifest = start(video, with_device_errors(diarizer), gpu=True, batch_size=7).manifest
    on_cpu = [plan for plan in diarizer.calls if plan.on_cpu]

    assert manifest["verdict"] == "reference"
    assert (manifest["device"]["attempts"], manifest["device"]["fallback_reason"]) == (2, "out of memory")
    assert [(line["kind"], line["reason"]) for line in inconsistencies()] == [("fallback", "out of memory")]
    assert {(plan.precision, plan.batch_size) for plan in on_cpu} == {("fp32", 7)}
    assert len(on_cpu) == 1, "the fallback takes the reference's result instead of computing it again"


def test_a_publication_after_a_fallback_is_not_taken_for_the_gpus(video: Path) -> None:
    """When the device works again the run is done again, on the device."""
    broken = ScriptedDiarizer(TURNS, cuda_failure=RuntimeError("CUDA out of memory"))
    publish(video, with_device_errors(broken), gpu=True)
    manifest = publish(video, ScriptedDiarizer(TURNS), gpu=True).manifest

    assert (manifest["verdict"], manifest["device"]["device"]) == ("coherent", "cuda:0")


@pytest.mark.parametrize("failure", [NonFiniteError("NaN"), MediaError("bad"), ValueError("bug")])
def test_only_device_failures_are_retried(start: Callable[..., Published], video: Path, failure: Exception) -> None:
    """Bad input, bad numbers and bugs fail at once, as themselves."""
    diarizer = ScriptedDiarizer(TURNS, cuda_failure=failure)

    with pytest.raises(type(failure)):
        start(video, diarizer, gpu=True, reference="none")

    assert len(diarizer.calls) == 1
    assert beside(video) == set()


def test_a_profile_without_fallback_fails_with_the_device(start: Callable[..., Published], video: Path) -> None:
    """gpu_amp_unsafe names no fallback: the device's error ends the run with exit code 5."""
    diarizer = with_device_errors(ScriptedDiarizer(TURNS, cuda_failure=RuntimeError("CUDA out of memory")))

    with pytest.raises(Exception, match="out of memory") as caught:
        start(video, diarizer, gpu=True, profile="gpu_amp_unsafe", reference="none")

    assert getattr(caught.value, "exit_code", None) == 5


def test_a_nan_score_is_never_silence(video: Path) -> None:
    """A result with a score that is not finite ends the run, whatever produced it."""

    def broken(*arguments: Any) -> Any:
        found = ScriptedDiarizer(TURNS)(*arguments)
        values = found.scores.values.copy()
        values[100] = np.nan
        return replace(found, scores=replace(found.scores, values=values))

    with pytest.raises(NonFiniteError, match="not finite"):
        publish(video, broken)

    assert beside(video) == set()


def test_a_video_without_audio_publishes_silence_and_says_why(video: Path) -> None:
    """No audio stream: every frame without speech, `no_audio_stream` in the metadata, no inference."""
    mute = video.parent / "clip.mp4"
    ffmpeg(*picture(), mute)
    diarizer = ScriptedDiarizer(TURNS)
    manifest = publish(mute, diarizer).manifest

    assert diarizer.calls == []
    assert manifest["source"]["audio"] == "no_audio_stream"
    assert manifest["summary"]["speech_frames"] == 0
    assert load_timeline(mute.parent / "clip_timeline.parquet").frames == 125


def test_an_audio_file_gets_frames_at_25_per_second_and_says_so(tmp_path: Path) -> None:
    """Without a picture 25 frames a second are assumed."""
    song = clip(tmp_path / "song.flac")
    manifest = publish(song, ScriptedDiarizer(TURNS)).manifest

    assert (manifest["source"]["fps"], manifest["source"]["fps_assumed"]) == ("25/1", True)
    assert manifest["source"]["total_frames"] == 125


def test_a_damaged_file_writes_nothing(video: Path) -> None:
    """One clear error, and the folder holds what it held before, not even a workspace."""
    cut(video, 0.5)

    with pytest.raises(MediaError, match=r"clip\.mp4"):
        publish(video, ScriptedDiarizer(TURNS))

    assert [path.name for path in video.parent.iterdir()] == ["clip.mp4"]


def test_staging_is_empty_after_every_run(video: Path) -> None:
    """No samples, no half files stay behind, whether the run succeeded or was refused."""
    publish(video, ScriptedDiarizer(TURNS))
    with pytest.raises(DriftError):
        publish(video, ScriptedDiarizer(TURNS, candidate=TURNS[:1]), gpu=True)

    staging = video.parent / ".step4" / "staging"
    assert not staging.exists() or not list(staging.iterdir())
    assert not list(video.parent.rglob("*.f32"))


def test_gzip_replaces_the_plain_json(video: Path) -> None:
    """AUDIO_JSON_GZIP writes _audio.json.gz, and no stale plain file is left for STEP5 to read."""
    publish(video, ScriptedDiarizer(TURNS))
    manifest = publish(video, ScriptedDiarizer(TURNS), json_gzip=True).manifest

    assert "clip_audio.json.gz" in manifest["files"]
    assert not (video.parent / "clip_audio.json").exists()
    assert load_timeline(video.parent / "clip_audio.json.gz").frames == 125

"""What a run took, as files: real Prefect, real ffmpeg, and once with real networks too."""

import csv
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from media_samples import clip, ffmpeg, picture
from scripted_runs import TURNS, dependencies, publish

from flows.audio_analysis import audio_analysis
from tasks.engine.core.errors import DeviceError, DriftError
from tasks.engine.dependencies import Dependencies, use_dependencies
from tasks.engine.media.sample import recording_path
from tasks.engine.system.profiler import mark_stage
from tasks.engine.testing import ScriptedDiarizer
from tasks.records.metrics import RunProfile

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_server", "clean_settings")]


@pytest.fixture(scope="module")
def five_seconds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A five-second video with sound."""
    return clip(tmp_path_factory.mktemp("master") / "clip.mp4")


@pytest.fixture
def video(five_seconds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, and figures asked for."""
    monkeypatch.setenv("ENABLE_AUDIO_PROFILING", "true")
    return Path(shutil.copy(five_seconds, tmp_path / "clip.mp4"))


def written() -> tuple[list[dict[str, str]], list[dict[str, Any]]]:
    """Rows of the table and the stages' files, oldest first."""
    folder = Path(os.environ["STEP4_DIAGNOSTICS_DIR"])
    rows = []
    for path in sorted(folder.glob("logs/audio_metrics_*.csv")):
        with path.open(newline="") as file:
            rows += csv.DictReader(file)
    return rows, [json.loads(path.read_text()) for path in sorted(folder.glob("profiling/audio_perf_*.json"))]


def test_a_run_leaves_its_figures_only_where_they_are_asked_for(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the setting nothing is written; what is published says the same, setting or not."""
    monkeypatch.delenv("ENABLE_AUDIO_PROFILING")
    without = publish(video, output=video.parent / "without").manifest
    assert written() == ([], [])
    monkeypatch.setenv("ENABLE_AUDIO_PROFILING", "true")
    asked = publish(video, output=video.parent / "asked").manifest

    assert len(written()[0]) == 1
    assert (asked["parameters"], set(asked["files"])) == (without["parameters"], set(without["files"]))


def test_each_run_is_a_row_whose_device_is_the_candidates(video: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One header, then a row per run; both inferences are in the stages' file, the extraction beside them."""
    with caplog.at_level("INFO", logger="step4"):
        publish(video, gpu=True)
    publish(video, gpu=True)
    (row, again), (stages, nothing) = written()

    assert (row["ended"], row["device"], row["windows"], row["batch_size"]) == ("coherent", "cuda:0", "1", "16")
    assert (again["ended"], again["device"]) == ("already", "")
    assert [one["stage"] for one in stages["stages"]] == ["extract"]
    assert sorted(one["device"] for one in stages["inferences"]) == ["cpu", "cuda:0"]
    assert (nothing["stages"], nothing["inferences"]) == ([], [])
    assert float(row["ms_per_window"]) >= 0
    assert sum(line.startswith("[PROFILING] Pyannote inference: ") for line in caplog.messages) == 2


@pytest.mark.parametrize(
    ("diarizer", "ended", "inferences"),
    [
        (ScriptedDiarizer(TURNS, candidate=TURNS[:1]), "DriftError", 2),
        (ScriptedDiarizer(TURNS, cuda_failure=DeviceError("out of memory")), "reference", 1),
    ],
)
def test_a_run_that_fails_or_falls_back_is_a_row_too(
    video: Path, diarizer: ScriptedDiarizer, ended: str, inferences: int
) -> None:
    """A refusal names its error; after a fallback the row is the CPU's."""
    with use_dependencies(dependencies(diarizer, gpu=True)):
        state = audio_analysis(video, return_state=True)
    (row,), (stages,) = written()

    assert row["ended"] == ended
    assert isinstance(state.result(raise_on_failure=False), DriftError) == (ended == "DriftError")
    assert len(stages["inferences"]) == inferences
    assert row["device"] == ("cpu" if ended == "reference" else "cuda:0")


def test_figures_that_cannot_be_written_do_not_fail_the_run(video: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file stands where the folder should be: a warning, and the timeline is published."""
    Path(os.environ["STEP4_DIAGNOSTICS_DIR"]).write_text("in the way")

    assert publish(video).manifest["verdict"] == "reference"
    assert any("what the run took could not be written" in line for line in caplog.messages)


def test_real_networks_are_measured_stage_by_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve seconds of speech: three windows, each stage with its time and memory, and nothing of it counted twice."""
    monkeypatch.setenv("ENABLE_AUDIO_PROFILING", "true")
    video = tmp_path / "talk.mp4"
    sound = ["-ss", "7", "-t", "11.5", "-i", recording_path()]
    ffmpeg(*sound, *picture(seconds=12), "-c:a", "aac", "-c:v", "libx264", video)
    with use_dependencies(Dependencies()):
        audio_analysis(video, profile="cpu")
    (row,), (stages,) = written()
    (inference,) = stages["inferences"]
    names = [one["stage"] for one in inference["stages"]]

    assert names == ["load", "segmentation", "speaker_counting", "embeddings", "discrete_diarization", "turns"]
    assert (row["windows"], row["engine"], row["device"], row["peak_device_mib"]) == ("3", "exact", "cpu", "")
    assert sum(one["seconds"] for one in inference["stages"]) == pytest.approx(inference["seconds"], abs=0.01)
    assert inference["seconds"] < stages["seconds"]
    assert all(one["rss_mib"] > 100 for one in inference["stages"])
    assert max(one["rss_mib"] for one in inference["stages"]) == float(row["peak_rss_mib"])
    assert float(row["real_time_factor"]) == pytest.approx(inference["seconds"] / inference["audio_sec"], rel=0.01)


def test_the_experiments_on_a_drift_are_one_stage() -> None:
    """Diarizations inside `explain` mark stages of their own: they are neither the run's, nor taken off `explain`."""
    profile = RunProfile()

    profile.staged("explain", lambda: mark_stage("segmentation"))()

    assert [one["stage"] for one in profile.stages] == ["explain"]


def test_the_sample_of_a_reference_is_one_stage() -> None:
    """What the CPU computes to check a candidate is in the figures, and what it marks is not the candidate's."""
    profile = RunProfile()
    measured = profile.dependencies(replace(Dependencies(), recompute=lambda *_: mark_stage("segmentation")))
    measured.recompute()  # type: ignore[call-arg]

    assert [one["stage"] for one in profile.stages] == ["sample"]

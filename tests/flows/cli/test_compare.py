"""`step4 compare`: the verdict on two files, and with `--explain` the stage that diverged, by real networks."""

import json
from pathlib import Path

import pytest
from command import step4
from media_samples import ffmpeg, picture

from tasks.engine.media.sample import QUIET, recording_path

pytestmark = pytest.mark.usefixtures("clean_settings")


@pytest.fixture
def quiet(tmp_path: Path) -> Path:
    """Ten seconds of the shipped recording at -80 dB, in float."""
    path = tmp_path / "quiet.mkv"
    sound = ["-ss", "7", "-t", "10", "-i", recording_path()]
    level = ["-af", f"volume={QUIET}:precision=float", "-c:a", "pcm_f32le"]
    ffmpeg(*sound, *picture(seconds=10), *level, "-c:v", "libx264", path)
    return path


@pytest.mark.slow
@pytest.mark.everywhere
def test_a_drift_is_explained_after_the_fact(quiet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The incident: refused with both sides kept; from those files and the video alone the guilty stage is found."""
    assert step4("run", quiet, "--profile", "cpu_amp_unsafe") == 3
    refused = quiet.parent / ".step4" / "refused" / "quiet"
    sides = [refused / side / "timeline.parquet" for side in ("reference", "candidate")]
    capsys.readouterr()

    assert step4("compare", *sides, "--explain", quiet, "--json") == 3
    report = json.loads(capsys.readouterr().out)

    assert report["localisation"]["stage"] == "samples"
    assert "choose cpu, a profile that has one" in report["localisation"]["advice"]
    assert report["localisation"] == json.loads((refused / "drift.json").read_text())["localisation"]
    classes = report["decisions"][0]
    assert classes["kind"] == "class of a frame"
    assert classes["differing"] > 10 * classes["ties"]


def test_equal_timelines_compare_as_coherent(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0 and the verdict in words."""
    assert step4("compare", old, old) == 0
    assert "coherent" in capsys.readouterr().out


def test_drift_has_exit_code_3_and_a_table(old: Path, shifted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each criterion is shown with its value and limit."""
    assert step4("compare", old, shifted) == 3
    shown = " ".join(capsys.readouterr().out.split())
    assert "drift" in shown
    assert "20 %" in shown
    assert "at most 0.5 %" in shown


def test_json_is_one_object_on_stdout(old: Path, shifted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A program reads the whole report from stdout."""
    step4("compare", old, shifted, "--json")
    report = json.loads(capsys.readouterr().out)

    assert report["verdict"] == "drift"
    assert report["flipped_frames"] == 10


def test_a_limit_can_be_changed(old: Path, shifted: Path) -> None:
    """`--set` moves one limit; with all of them out of the way the two pass."""
    limits = (
        "speech_percent_difference=50",
        "flipped_frames_percent=100",
        "worst_stretch_percent=100",
        "der_percent=100",
        "jer_percent=100",
    )

    assert step4("compare", old, shifted, *(part for limit in limits for part in ("--set", limit))) == 0

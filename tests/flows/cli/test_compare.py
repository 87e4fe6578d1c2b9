"""`step4 compare --explain`, end to end: real networks, a real drift, the stage named after the fact."""

import json
from pathlib import Path

import pytest
from command import step4
from media_samples import ffmpeg, picture

from tasks.engine.media.sample import QUIET, recording_path

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("clean_settings", "prefect_server")]


@pytest.fixture
def quiet(tmp_path: Path) -> Path:
    """Ten seconds of the shipped recording at -80 dB, in float."""
    path = tmp_path / "quiet.mkv"
    sound = ["-ss", "7", "-t", "10", "-i", recording_path()]
    level = ["-af", f"volume={QUIET}:precision=float", "-c:a", "pcm_f32le"]
    ffmpeg(*sound, *picture(seconds=10), *level, "-c:v", "libx264", path)
    return path


def test_a_drift_is_explained_after_the_fact(quiet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The incident: refused with both sides kept; from those files and the video alone the guilty stage is found."""
    assert step4("run", quiet, "--profile", "cpu_amp_unsafe") == 3
    refused = quiet.parent / ".step4" / "refused" / "quiet"
    sides = [refused / side / "timeline.parquet" for side in ("reference", "candidate")]
    capsys.readouterr()

    assert step4("compare", *sides, "--explain", quiet, "--json") == 3
    report = json.loads(capsys.readouterr().out)

    assert report["localisation"]["stage"] == "samples"
    assert "set level = rms" in report["localisation"]["advice"]
    assert report["localisation"] == json.loads((refused / "drift.json").read_text())["localisation"]
    classes = report["decisions"][0]
    assert classes["kind"] == "class of a frame"
    assert classes["differing"] > 10 * classes["ties"]

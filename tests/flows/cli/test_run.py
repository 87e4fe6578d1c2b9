"""`step4 run`: what it prints, and how it ends."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command import step4
from media_samples import clip

from tasks.engine.core.turns import Turn
from tasks.engine.dependencies import current_dependencies, use_dependencies
from tasks.engine.testing import ONE_GPU, ScriptedDiarizer

pytestmark = pytest.mark.usefixtures("clean_settings")


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server", "scripted")
def test_run_ends_with_a_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Verdict, speech and who speaks when on stdout; the lines that operators search for on stderr."""
    video = clip(tmp_path / "Film [x264] [fin].mp4")

    assert step4("run", video) == 0
    shown = capsys.readouterr()
    assert "75 of 125 frames, 60.0 %" in shown.out
    assert "Film [x264] [fin]" in shown.out
    assert "SPEAKER_01" in shown.out
    assert "Timeline audio: 75/125 frames avec parole (60.0%)" in shown.err
    assert f"manifest      {video.parent / video.stem}_step4.json\n" in shown.out
    assert "published before" not in shown.out


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
def test_run_json_is_one_object_even_when_a_video_fails_and_libraries_print(
    scripted: ScriptedDiarizer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every video is tried; the exit code is the worst one's; stdout holds nothing else."""

    def chatty(*arguments: Any) -> Any:
        print("Found only 3 clusters")
        return scripted(*arguments)

    video = clip(tmp_path / "clip.mp4")
    with use_dependencies(replace(current_dependencies(), diarizer=chatty)):
        assert step4("run", tmp_path / "missing.mp4", video, "--json") == 4
    document = json.loads(capsys.readouterr().out)

    assert [run["exit_code"] for run in document["runs"]] == [4, 0]
    assert document["runs"][1]["manifest"]["verdict"] == "reference"


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server", "scripted")
def test_run_maps_what_goes_wrong_to_exit_codes(tmp_path: Path) -> None:
    """6 for an output that takes no files, 5 for a device that is absent, 3 for drift, 130 for Ctrl-C, 1 for a bug."""
    video = clip(tmp_path / "clip.mp4")
    blocked = tmp_path / "file"
    blocked.touch()

    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    def buggy(*_: Any) -> Any:
        raise ZeroDivisionError

    assert step4("run", video, "--output", blocked / "sub") == 6
    assert step4("run", video, "--profile", "gpu_optimized") == 5
    drifting = ScriptedDiarizer((Turn(0.5, 2.0, "A"), Turn(2, 3, "B")), candidate=(Turn(0.5, 2.0, "A"),))
    for diarizer, code in ((drifting, 3), (interrupted, 130), (buggy, 1)):
        with use_dependencies(replace(current_dependencies(), diarizer=diarizer, device_facts=lambda: ONE_GPU)):
            assert step4("run", video) == code
    assert [path.name for path in tmp_path.glob("clip_*")] == []


def test_two_videos_that_would_share_names_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """cam1/0001.mp4 and cam2/0001.mp4 into one folder: nothing is run, and both are named."""
    assert step4("run", tmp_path / "cam1/0001.mp4", tmp_path / "cam2/0001.mp4", "--output", tmp_path) == 2
    assert "cam2/0001.mp4" in capsys.readouterr().err

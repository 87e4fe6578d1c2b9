"""`step4 export` and `step4 import`: what goes out comes back."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from command import step4

from tasks.engine.formats.detect import load_timeline

pytestmark = pytest.mark.usefixtures("clean_settings")


def test_import_then_export_gives_the_frames_back(old: Path, tmp_path: Path) -> None:
    """An old _audio.json becomes Parquet, and that becomes the JSON that STEP5 reads, with every field."""
    assert step4("import", old) == 0
    assert step4("export", tmp_path / "old_timeline.parquet", "--to", "audio-json", "-o", tmp_path / "full.json") == 0
    document = json.loads((tmp_path / "full.json").read_text())

    assert (document["total_frames"], document["fps"]) == (50, 25.0)
    assert document["frames_analysis"][10]["audio_info"]["active_speaker_labels"] == ["A"]
    assert load_timeline(tmp_path / "old_timeline.parquet").summary.speech_frames == 40


@pytest.mark.parametrize("to", ["rttm", "json", "csv", "webvtt", "audacity"])
def test_an_exported_file_of_turns_compares_as_equal(old: Path, tmp_path: Path, to: str) -> None:
    """Every format of turns goes out, is held against the frames it came from, and comes back as a timeline."""
    assert step4("export", old, "--to", to, "-o", tmp_path / "turns") == 0
    assert step4("compare", old, tmp_path / "turns") == 0
    assert step4("import", tmp_path / "turns", "--frames", "60") == 0
    assert load_timeline(tmp_path / "turns_timeline.parquet").frames == 60


def test_import_keeps_the_frame_rate_it_is_told(old: Path, tmp_path: Path) -> None:
    """A file without a header runs at 25 frames a second unless told."""
    step4("import", old, "--fps", "30000/1001", "-o", tmp_path / "told.parquet")

    assert load_timeline(tmp_path / "told.parquet").fps.denominator == 1001


@pytest.mark.parametrize(
    ("form", "expected"), [("rttm", "SPEAKER old_audio 1 0.400000 1.600000"), ("json", '"diarization"')]
)
def test_export_writes_to_stdout(old: Path, form: str, expected: str) -> None:
    """Without -o the converted file is printed, and nothing else."""
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli.main", "export", str(old), "--to", form],
        capture_output=True,
        text=True,
        check=True,
    )

    assert expected in done.stdout

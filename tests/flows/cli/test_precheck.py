"""Cheap mistakes: what is said, and that nothing heavy is loaded to say it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command import step4

from flows.cli.precheck import require_offline_models, require_video, require_writable
from tasks.engine.core.errors import MediaError, ModelError, StorageError, UsageError

pytestmark = pytest.mark.usefixtures("clean_settings")


@pytest.fixture
def mistakes(tmp_path: Path) -> dict[str, tuple[list[str], int, str]]:
    """Arguments, exit code and what the sentence contains, by what is wrong."""
    (tmp_path / "clip.mp4").touch()
    (tmp_path / "taken").touch()
    return {
        "missing": (["run", "missing.mp4"], 4, "does not exist"),
        "folder": (["run", str(tmp_path)], 2, "step4 batch"),
        "taken": (["run", "clip.mp4", "-o", "taken/out"], 6, "is not a folder): choose another folder with --output"),
        "no models": (["run", "clip.mp4"], 5, "run `step4 models fetch offline`"),
        "batch without a folder": (["batch", "nowhere"], 2, "does not exist"),
        "batch without models": (["batch", "."], 5, "run `step4 models fetch offline`"),
    }


@pytest.mark.parametrize(
    "mistake", ["missing", "folder", "taken", "no models", "batch without a folder", "batch without models"]
)
def test_a_cheap_mistake_is_answered_before_the_engine_is_loaded(
    mistakes: dict[str, tuple[list[str], int, str]], mistake: str, tmp_path: Path
) -> None:
    """One sentence and its exit code; neither torch nor pyannote nor Prefect nor scipy was imported for it."""
    words, code, told = mistakes[mistake]
    program = (
        "import sys\nfrom flows.cli.main import main\n"
        f"try:\n    main({words!r})\nexcept SystemExit as end:\n    code = end.code\n"
        "heavy = {'torch', 'pyannote.audio', 'prefect', 'scipy'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else code)"
    )
    environment = {**os.environ, "STEP4_MODELS_DIR": str(tmp_path / "none")}

    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == code, done.stderr
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_mistake_is_recorded_and_the_next_video_has_its_turn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As what a run refuses: a line for each in the file of inconsistencies, and all are named."""
    assert step4("run", "one.mp4", "two.mp4", tmp_path, "--json") == 4
    runs = json.loads(capsys.readouterr().out)["runs"]
    records = (tmp_path / "diagnostics/debug/audio_inconsistencies.log").read_text().splitlines()

    assert [run["exit_code"] for run in runs] == [4, 4, 2]
    assert [json.loads(line)["kind"] for line in records] == ["refusal"] * 3


def test_what_can_be_run_passes(tmp_path: Path) -> None:
    """A file, a folder that is there or can be made, and a set that only the run can find."""
    (tmp_path / "clip.mp4").touch()
    require_video(tmp_path / "clip.mp4")
    require_writable(tmp_path / "a" / "b")
    require_offline_models("owner/pipeline")


def test_what_cannot_is_refused_with_what_would_be_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link that leads nowhere, a folder that may not be written, a set without its files."""
    (tmp_path / "clip.mp4").symlink_to("nowhere")
    monkeypatch.setenv("STEP4_MODELS_DIR", str(tmp_path))

    with pytest.raises(MediaError, match="is not a file"):
        require_video(tmp_path / "clip.mp4")
    with pytest.raises(UsageError, match="step4 batch"):
        require_video(tmp_path)
    with pytest.raises(ModelError, match="is missing"):
        require_offline_models("offline")
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    with pytest.raises(StorageError, match=r"may not be written to\): choose another folder with --output"):
        require_writable(tmp_path / "out")

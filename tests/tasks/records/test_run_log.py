"""The log file of a run: what is in it, how many there are, and that it never stands in a run's way."""

import logging
import os
from pathlib import Path
from unittest.mock import Mock

import pytest

from tasks.engine.core.errors import MediaError, UsageError
from tasks.records import run_log
from tasks.records.diagnostics import failures_recorded
from tasks.records.run_log import FOLDER, KEPT, RunLog, rotate, run_logged

pytestmark = pytest.mark.usefixtures("clean_settings")


def logs() -> list[Path]:
    """The files there are."""
    return sorted((Path(os.environ["STEP4_DIAGNOSTICS_DIR"]) / FOLDER).glob("audio_analysis_*.log"))


def test_the_lines_of_a_run_are_kept_in_a_file_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    """Version and video first, then what the stages say; lines of other runs are in other files."""
    caplog.set_level(logging.INFO, "step4")
    for name in ("one", "two"):
        with run_logged(Path(f"/inbox/{name}.mp4")):
            logging.getLogger("step4.media").info("probed %s", name)
    logging.getLogger("step4.media").info("between runs")
    first, second = (path.read_text() for path in logs())

    assert [path.name.rpartition("_")[2] for path in logs()] == ["one.log", "two.log"]
    assert "INFO step4: step4-audio" in first.splitlines()[0]
    assert first.splitlines()[0].endswith("/inbox/one.mp4")
    assert first.splitlines()[1].endswith("INFO step4.media: probed one")
    assert "probed two" in second
    assert "between runs" not in first + second


def test_a_refusal_ends_in_its_sentence_and_a_bug_in_its_traceback() -> None:
    """Whoever looks into the file sees why the run ended."""
    for error in (MediaError("bad clip"), ZeroDivisionError("bug")):
        with pytest.raises(type(error)), run_logged(Path("clip.mp4")), failures_recorded(Path("clip.mp4")):
            raise error
    refused, broken = (path.read_text() for path in logs())

    assert refused.splitlines()[-1].endswith("WARNING step4.failed: bad clip")
    assert "Traceback" not in refused
    assert broken.splitlines()[-1] == "ZeroDivisionError: bug"


@pytest.mark.parametrize("name", ["caf\udce9", "é" * 120])
def test_any_name_of_a_video_makes_a_name_of_a_file(name: str) -> None:
    """One that is not UTF-8, and one that leaves no room."""
    with run_logged(Path(f"{name}.mp4")):
        pass

    assert len(logs()) == 1


def test_the_oldest_files_go(tmp_path: Path) -> None:
    """The newest are kept; files of others are left alone."""
    for number in range(KEPT + 3):
        (tmp_path / f"audio_analysis_{number:05}_clip.log").touch()
    (tmp_path / "notes.log").touch()

    rotate(tmp_path)

    assert len(list(tmp_path.iterdir())) == KEPT + 1
    assert not (tmp_path / "audio_analysis_00002_clip.log").exists()


def test_a_log_that_cannot_be_written_fails_no_run(caplog: pytest.LogCaptureFixture) -> None:
    """A warning says so, and the block runs."""
    Path(os.environ["STEP4_DIAGNOSTICS_DIR"]).write_text("in the way")
    ran = []
    with run_logged(Path("clip.mp4")):
        ran.append(True)

    assert ran
    assert "could not be written" in caplog.text


def test_a_disk_that_is_full_hides_no_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither that a run is done nor why it failed: closing the file writes what is left once more."""

    def full(_: Path) -> RunLog:
        log = RunLog("/dev/full")
        log.handle(logging.makeLogRecord({"msg": "probed"}))
        return log

    monkeypatch.setattr(run_log, "open_log", full)
    with run_logged(Path("clip.mp4")):
        pass
    with pytest.raises(MediaError, match="bad clip"), run_logged(Path("clip.mp4")):
        raise MediaError("bad clip")


def test_a_folder_that_cannot_be_named_fails_no_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Settings that cannot be read are told elsewhere: here a warning says so, and the block runs."""
    monkeypatch.setattr(run_log, "folder", Mock(side_effect=UsageError(".env is not UTF-8")))
    ran = []
    with run_logged(Path("clip.mp4")):
        ran.append(True)

    assert ran
    assert "could not be written: .env is not UTF-8" in caplog.text

"""The page of a drift, where somebody who has only a browser can open it."""

import os
from pathlib import Path

import pytest
from stages import run_of

from tasks.engine.publishing.names import PAGE
from tasks.orchestration.report_link import KEPT, keep_newest, offer_page
from tasks.run import Run

pytestmark = pytest.mark.usefixtures("clean_settings")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run whose page is staged."""
    run = run_of(tmp_path / "clip.mp4")
    run.staging.mkdir(parents=True)
    (run.staging / PAGE).write_text("<!DOCTYPE html>")
    return run


def test_a_page_is_copied_to_where_it_is_shown(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address leads to the copy; a run of the same request takes the same name."""
    monkeypatch.setenv("STEP4_REPORTS_DIR", str(tmp_path / "reports"))
    monkeypatch.setenv("STEP4_REPORTS_URL", "http://127.0.0.1:4201/")
    address = offer_page(run, "clip")
    (copy,) = (tmp_path / "reports").iterdir()

    assert address == offer_page(run, "clip") == f"http://127.0.0.1:4201/{copy.name}"
    assert copy.read_text() == "<!DOCTYPE html>"


def test_without_a_web_server_or_a_page_there_is_no_address(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Unset variables, a folder that cannot be made (which is a warning), a run that did not drift."""
    assert offer_page(run, "clip") is None
    (tmp_path / "taken").touch()
    monkeypatch.setenv("STEP4_REPORTS_DIR", str(tmp_path / "taken"))
    monkeypatch.setenv("STEP4_REPORTS_URL", "http://127.0.0.1:4201")
    assert offer_page(run, "clip") is None
    assert "could not be put into" in caplog.text
    (run.staging / PAGE).unlink()
    monkeypatch.setenv("STEP4_REPORTS_DIR", str(tmp_path / "reports"))
    assert offer_page(run, "clip") is None


def test_the_oldest_pages_go(tmp_path: Path) -> None:
    """The newest are kept; other files are left alone."""
    for number in range(KEPT + 2):
        (tmp_path / f"clip-{number}.html").touch()
        os.utime(tmp_path / f"clip-{number}.html", (number, number))
    (tmp_path / "index.txt").touch()
    keep_newest(tmp_path)

    assert len(list(tmp_path.iterdir())) == KEPT + 1
    assert not (tmp_path / "clip-1.html").exists()


def test_a_page_is_linked_whatever_becomes_of_old_ones(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that another worker removes meanwhile, as a link to nothing is gone when looked at, and one that stays."""
    reports = tmp_path / "reports"
    (reports / "no-page.html").mkdir(parents=True)
    os.utime(reports / "no-page.html", (1, 1))
    (reports / "gone.html").symlink_to("nowhere")
    for number in range(KEPT - 1):
        (reports / f"old-{number}.html").touch()
    monkeypatch.setenv("STEP4_REPORTS_DIR", str(reports))
    monkeypatch.setenv("STEP4_REPORTS_URL", "http://127.0.0.1:4201")

    assert offer_page(run, "clip") == f"http://127.0.0.1:4201/clip-{run.key[:8]}.html"
    assert (reports / "old-0.html").exists()

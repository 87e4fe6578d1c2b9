"""What a person sees while a command works: progress on and off a terminal, and lines as wide as the reader."""

import io
import logging

import pytest
from rich.console import Console

from flows.cli.console import lines_per_tenth, progress
from flows.cli.summaries import show_profiles
from profiles.profile import all_profiles


def test_off_a_terminal_progress_is_one_line_per_tenth(caplog: pytest.LogCaptureFixture) -> None:
    """A log of a long run has ten lines per stage, not ten thousand."""
    report = lines_per_tenth()
    with caplog.at_level(logging.INFO, logger="step4"):
        for done in range(1, 1001):
            report("candidate: embeddings", done, 1000)

    assert caplog.messages == [f"candidate: embeddings: {10 * tenth} %" for tenth in range(1, 11)]


def test_off_a_terminal_a_stage_is_named_when_it_begins(caplog: pytest.LogCaptureFixture) -> None:
    """Loading models has no tenths: that it has begun is what there is to say."""
    report = lines_per_tenth()
    with caplog.at_level(logging.INFO, logger="step4"):
        report("candidate: loading models", 0, 1)
        report("candidate: loading models", 1, 1)

    assert caplog.messages == ["candidate: loading models", "candidate: loading models: 100 %"]


def test_on_a_terminal_progress_is_bars() -> None:
    """Bars are drawn on the console, one per stage, and disappear when done."""
    screen = io.StringIO()
    with progress(Console(file=screen, force_terminal=True, width=80)) as report:
        report("candidate: segmentation", 5, 10)
        report("candidate: segmentation", 10, 10)

    assert "candidate: segmentation" in screen.getvalue()


def test_a_pipe_gets_whole_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Off a terminal a table's row is one line, unless COLUMNS says how wide the reader is."""
    monkeypatch.delenv("COLUMNS", raising=False)
    profiles = all_profiles().values()
    show_profiles(profiles)
    assert len(capsys.readouterr().out.splitlines()) == 1 + len(profiles)

    monkeypatch.setenv("COLUMNS", "60")
    show_profiles(profiles)
    assert len(capsys.readouterr().out.splitlines()) > 1 + len(profiles)

"""What a person sees while a command works: progress on and off a terminal, and lines as wide as the reader."""

import io
import logging
import re
import time

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


def drawn(*reports: tuple[str, int]) -> str:
    """What a terminal of 100 columns gets."""
    screen = io.StringIO()
    with progress(Console(file=screen, force_terminal=True, width=100)) as report:
        for stage, percent in reports:
            report(stage, percent, 100)
            time.sleep(0.15)  # it is drawn ten times a second
    return screen.getvalue()


def test_on_a_terminal_a_run_is_one_bar_that_only_grows() -> None:
    """Its parts are named as they are at work, both roles beside each other; it is taken away in the end."""
    parts = ("loading models", "segmentation", "embeddings")
    reports = [(f"{role}: {part}", done) for part in parts for role in ("candidate", "reference") for done in (0, 100)]
    shown = drawn(*reports)
    percents = [int(number) for number in re.findall(r"(\d+) %", shown)]

    assert percents == sorted(percents)
    assert (percents[0], percents[-1]) == (0, 99)
    assert "candidate: embeddings, reference: embeddings" in shown
    assert all(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", frame).count("%") <= 1 for frame in re.split(r"[\r\n]", shown))
    assert shown.endswith("\x1b[1A\x1b[2K")


def test_on_a_terminal_each_run_of_a_batch_has_its_bar() -> None:
    """Another attempt of the same run, on another device, goes on where the first stood."""
    first = [("candidate: loading models", 0), ("candidate: segmentation", 100), ("candidate: embeddings", 50)]
    whole = [*first, ("candidate: embeddings", 100)]

    assert "62 %" in drawn(*first, *first[:1])
    assert " 0 %" not in drawn(*first, *first[:1]).partition("62 %")[2]
    assert " 0 %" in drawn(*whole, *first[:1]).partition("99 %")[2]


def test_a_pipe_gets_whole_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Off a terminal a table's row is one line, unless COLUMNS says how wide the reader is."""
    monkeypatch.delenv("COLUMNS", raising=False)
    profiles = all_profiles().values()
    show_profiles(profiles)
    assert len(capsys.readouterr().out.splitlines()) == 1 + len(profiles)

    monkeypatch.setenv("COLUMNS", "60")
    show_profiles(profiles)
    assert len(capsys.readouterr().out.splitlines()) > 1 + len(profiles)

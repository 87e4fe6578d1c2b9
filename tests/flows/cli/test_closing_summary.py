"""The end of a command that had several videos."""

import pytest

from flows.cli.closing_summary import show_runs

RUNS = [
    {"video": "/inbox/good.mp4", "exit_code": 0, "manifest": {"verdict": "coherent"}},
    {"video": "/inbox/[gone].mp4", "exit_code": 4, "error": "'/inbox/[gone].mp4' does not exist"},
    {"video": "/inbox/apart.mp4", "exit_code": 3, "error": "drift: 8 of 9 criteria failed"},
]


def test_those_without_a_timeline_come_first(capsys: pytest.CaptureFixture[str]) -> None:
    """Counts, then the failures, the worst first, then what was published; on stdout, like every summary."""
    show_runs(RUNS)
    counts, _, *lines = capsys.readouterr().out.splitlines()

    assert counts.startswith("3 videos: 1 published, 2 failed")
    assert [line.split()[:2] for line in lines] == [["3", "apart.mp4"], ["4", "[gone].mp4"], ["0", "good.mp4"]]
    assert "does not exist" in lines[1]

"""Turns as CSV."""

from pathlib import Path

from hypothesis import example, given, settings
from turn_lists import assert_close, turn_lists

from tasks.engine.core.turns import Turn
from tasks.engine.formats import turns_csv


@settings(deadline=None)
@given(turns=turn_lists)
@example(turns=[Turn(0.1, 1.0, 'a,"b"\r\nc'), Turn(0.0, 1.0, ""), Turn(0.0, 1.0, "\x00\u2028")])
def test_csv_comes_back(folder: Path, turns: list[Turn]) -> None:
    """Write → read keeps names on one line and times exactly; a turn is a line, whatever the names contain."""
    turns_csv.write(folder / "clip.csv", turns)

    assert_close(turns_csv.read(folder / "clip.csv"), turns, 0)
    assert len((folder / "clip.csv").read_text(encoding="utf-8").split("\n")) == len(turns) + 2

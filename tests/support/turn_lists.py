"""Lists of turns for tests of file formats."""

import pytest
from hypothesis import strategies as st

from tasks.engine.core.turns import Turn
from tasks.engine.formats.text import one_line

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
seconds = st.integers(0, 10**9).map(lambda microseconds: microseconds / 1e6)
turn_lists = st.lists(
    st.builds(lambda start, length, name: Turn(start, start + length, name), seconds, seconds, names), max_size=10
)
TURNS = [Turn(0.4, 1.2, "SPEAKER_00"), Turn(1.0, 3.0, "SPEAKER_01")]


def assert_close(back: list[Turn], turns: list[Turn], within: float) -> None:
    """The same turns, times apart by no more than the format rounds."""
    assert sorted(turn.speaker for turn in back) == sorted(one_line(turn.speaker) for turn in turns)
    for bound in ("start", "end"):
        actual, expected = (sorted(getattr(turn, bound) for turn in side) for side in (back, turns))
        assert actual == pytest.approx(expected, abs=within)

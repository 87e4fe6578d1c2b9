"""Frame grids for turns."""

from fractions import Fraction

import numpy as np
import pytest

from tasks.engine.core.errors import UsageError
from tasks.engine.core.frames import FrameGrid
from tasks.engine.core.timeline import timeline_of
from tasks.engine.core.turns import Turn
from tasks.engine.formats.turn_grid import LONGEST_SEC, covering_grid, grid_of


@pytest.mark.parametrize(
    ("ends", "fps", "frames", "count"),
    [
        ([1.0], None, None, 25),
        ([1.0, 3.0], Fraction(10), None, 30),
        ([1.01], None, None, 26),
        ([1.0000001], None, None, 25),
        ([0.1 + 0.2], Fraction(10), None, 3),
        ([], None, None, 0),
        ([1.0], None, 7, 7),
    ],
)
def test_the_grid_reaches_to_the_last_turn(
    ends: list[float], fps: Fraction | None, frames: int | None, count: int
) -> None:
    """25 frames a second by default; a rounding error beyond a frame's edge makes no frame; a known number wins."""
    grid = covering_grid([[Turn(0.0, end, "A")] for end in ends], fps, frames)

    assert (grid.count, grid.fps) == (count, fps or 25)


def test_turns_beyond_a_week_are_refused() -> None:
    """Milliseconds taken for seconds would ask for a table of years."""
    assert covering_grid([[Turn(0.0, LONGEST_SEC, "A")]], Fraction(1)).count == LONGEST_SEC
    with pytest.raises(UsageError, match="times are seconds"):
        covering_grid([[Turn(0.0, LONGEST_SEC + 1, "A")]], None)


def test_a_timeline_has_the_grid_it_was_laid_on() -> None:
    """A constant rate stays one; uneven times are kept frame by frame."""
    uneven = FrameGrid(4, Fraction(2), np.array([0.0, 0.5, 0.6, 2.0]))

    assert grid_of(timeline_of([], None, FrameGrid(9, Fraction(30000, 1001)))) == FrameGrid(9, Fraction(30000, 1001))
    grid = grid_of(timeline_of([], None, uneven))
    assert grid.pts is not None
    assert grid.pts.tolist() == [0.0, 0.5, 0.6, 2.0]

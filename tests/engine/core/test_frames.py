"""The video's frames on the time axis."""

from fractions import Fraction

import numpy as np
import pytest

from tasks.engine.core.errors import UsageError
from tasks.engine.core.frames import FrameGrid, activity, rate_of
from tasks.engine.core.turns import Turn


@pytest.mark.parametrize(
    ("stated", "rate"),
    [
        (25, Fraction(25)),
        (25.0, Fraction(25)),
        (12.5, Fraction(25, 2)),
        (29.97, Fraction(30000, 1001)),
        (29.97002997002997, Fraction(30000, 1001)),
        (23.976, Fraction(24000, 1001)),
        (23.98, Fraction(24000, 1001)),
        (59.94, Fraction(60000, 1001)),
        (24, Fraction(24)),
        (30, Fraction(30)),
        ("30000/1001", Fraction(30000, 1001)),
        ("25", Fraction(25)),
        ("2997/100", Fraction(2997, 100)),
        (Fraction(1234567, 51234), Fraction(1234567, 51234)),
    ],
)
def test_frame_rates_are_read_as_meant(stated: object, rate: Fraction) -> None:
    """Printed NTSC rates mean the exact ones; rationals mean themselves."""
    assert rate_of(stated) == rate


@pytest.mark.parametrize(
    "stated",
    [0, -25, True, None, "", "fast", "25/0", "0/1", "1e999999999", float("nan"), float("inf"), [25], 1e-12, 10**400],
)
def test_other_frame_rates_are_refused(stated: object) -> None:
    """What is no positive number is answered with what would be."""
    with pytest.raises(UsageError, match="30000/1001"):
        rate_of(stated)


def test_a_constant_rate_gives_every_time() -> None:
    """Frame n shows at (n - 1) / fps; its centre lies half a frame later; any part of the grid says the same."""
    grid = FrameGrid(4, Fraction(30000, 1001))

    assert grid.times().tolist() == [n * 1001 / 30000 for n in range(4)]
    assert grid.centres().tolist() == pytest.approx([(n + 0.5) * 1001 / 30000 for n in range(4)])
    assert grid.times(1, 3).tolist() == grid.times().tolist()[1:3]
    assert grid.centres(2, 9).tolist() == grid.centres().tolist()[2:]
    assert grid.duration == pytest.approx(4 * 1001 / 30000)


def test_the_last_frame_ends_where_the_container_says() -> None:
    """A picture that is held to the end of a recording shows until then, and what is said there is in its middle."""
    grid = FrameGrid(3, Fraction(2), np.array([0.0, 0.1, 1.0]), end_sec=9.0)

    assert grid.duration == 9.0
    assert grid.centres().tolist() == pytest.approx([0.05, 0.55, 5.0])


def test_a_variable_rate_keeps_its_times() -> None:
    """A frame lasts until the next one shows, the last one as long as the average rate says."""
    grid = FrameGrid(3, Fraction(2), np.array([0.0, 0.1, 1.0]))

    assert grid.times(1).tolist() == [0.1, 1.0]
    assert grid.centres().tolist() == pytest.approx([0.05, 0.55, 1.25])
    assert grid.centres(0, 2).tolist() == pytest.approx([0.05, 0.55])
    assert grid.duration == 1.5
    assert FrameGrid(0, Fraction(2), np.zeros(0)).duration == 0.0


def test_activity_is_half_open() -> None:
    """A centre on a turn's start belongs to it, one on its end does not; turns may overlap and come in any order."""
    turns = [Turn(2.0, 3.0, "B"), Turn(1.0, 3.0, "A"), Turn(0.2, 0.8, "A")]
    active = activity(turns, ["A", "B"], np.array([0.0, 1.0, 2.0, 3.0]))

    assert active.tolist() == [[False, False], [True, False], [True, True], [False, False]]

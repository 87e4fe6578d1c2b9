"""Which windows count as outliers."""

from dataclasses import fields, replace

import numpy as np
import pytest

from tasks.engine.spot_check.neighbours import Disagreement
from tasks.engine.spot_check.outliers import LINES, Lines, outliers_of, worst_of

NOWHERE = Disagreement(*(np.zeros(5) for _ in fields(Disagreement)))
MEASURES = [field.name for field in fields(Disagreement)]


@pytest.mark.parametrize("measure", MEASURES)
def test_a_window_beyond_any_line_is_an_outlier(measure: str) -> None:
    """One measure is enough; on the line it is none."""
    line = getattr(Lines(), measure)
    found = replace(NOWHERE, **{measure: np.array([0, line, line + 0.01, 0, 2 * line])})

    assert outliers_of(found, Lines()).tolist() == [2, 4]


def test_every_measure_has_a_line_for_every_engine() -> None:
    """A measure without a line would never be looked at."""
    for lines in LINES.values():
        assert all(getattr(lines, name) > 0 for name in MEASURES)


def test_the_worst_window_of_each_measure_is_told() -> None:
    """Its value, its place and the line, for report and page."""
    found = replace(NOWHERE, voices=np.array([0, 0.3, 0.9, 0, 0]))

    assert worst_of(found, Lines())["voices"] == {"value": 0.9, "window": 2, "line": Lines().voices}

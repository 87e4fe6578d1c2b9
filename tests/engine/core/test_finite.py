"""What counts as a finite number."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.engine.core.finite import finite_float, first_non_finite


@settings(deadline=None)
@given(values=st.lists(st.floats(width=32), max_size=20))
def test_the_first_value_that_is_not_finite_is_found(values: list[float]) -> None:
    """Its index, whatever stands before and after; None where there is none, as in an empty array."""
    expected = next((k for k, value in enumerate(values) if not np.isfinite(value)), None)

    assert first_non_finite(np.array(values, np.float32)) == expected


@pytest.mark.parametrize(("value", "number"), [("1e3", 1000.0), (7, 7.0), (-0.5, -0.5), (10**300, 1e300)])
def test_finite_numbers_are_converted(value: str | float, number: float) -> None:
    """From text and from any number."""
    assert finite_float(value) == number


@pytest.mark.parametrize("value", ["", "x", "nan", "-inf", float("nan"), float("inf"), "1e400", 10**400])
def test_other_values_are_refused(value: str | float) -> None:
    """One error for all, an integer that no float holds included."""
    with pytest.raises(ValueError, match=r"finite|convert|range"):
        finite_float(value)

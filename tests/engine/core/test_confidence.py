"""Bounds on a share by a sample."""

import pytest
from scipy.stats import binomtest

from tasks.engine.core.confidence import upper_share


@pytest.mark.parametrize(
    ("drawn", "bad", "bound"), [(10, 0, 0.2589), (60, 0, 0.0487), (300, 0, 0.00994), (60, 1, 0.07664)]
)
def test_the_bound_is_clopper_and_pearsons(drawn: int, bad: int, bound: float) -> None:
    """Values of published tables; where nothing is bad it is near three in the number drawn."""
    assert upper_share(drawn, bad, 0.95) == pytest.approx(bound, abs=5e-5)
    if not bad:
        assert upper_share(drawn, 0, 0.95) == pytest.approx(3 / drawn, rel=0.15)


@pytest.mark.parametrize(("drawn", "bad"), [(1, 0), (7, 3), (446, 2), (3591, 40), (3591, 3590)])
def test_the_bound_is_that_of_scipys_test(drawn: int, bad: int) -> None:
    """SciPy's exact interval, which takes a second to import, is the same."""
    interval = binomtest(bad, drawn, alternative="less").proportion_ci(confidence_level=0.95, method="exact")
    assert upper_share(drawn, bad, 0.95) == pytest.approx(interval.high, rel=1e-9)


def test_everything_bad_bounds_nothing() -> None:
    """Where every draw is bad, all may be."""
    assert upper_share(5, 5, 0.95) == 1.0

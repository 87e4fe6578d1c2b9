"""Options that several commands share: what they take."""

from fractions import Fraction

import pytest

from flows.cli.options import frame_rate
from tasks.engine.core.errors import UsageError


@pytest.mark.parametrize(
    ("text", "rate"),
    [("25", Fraction(25)), ("23.976", Fraction(2997, 125)), ("24000/1001", Fraction(24000, 1001)), (None, None)],
)
def test_a_frame_rate_is_exact(text: str | None, rate: Fraction | None) -> None:
    """Whole, decimal or a fraction: kept without rounding; none given is none."""
    assert frame_rate(text) == rate


@pytest.mark.parametrize("text", ["fast", "0", "-25", "25/0", "nan"])
def test_what_is_no_positive_number_is_refused(text: str) -> None:
    """The answer repeats what was said and shows what is accepted."""
    with pytest.raises(UsageError, match=f"--fps {text}: .*24000/1001"):
        frame_rate(text)

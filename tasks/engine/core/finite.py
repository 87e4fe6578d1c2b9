"""The one place that says what a finite number is: the rest refuses in its own words, with its own error."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


def first_non_finite(values: NDArray[np.floating[Any]]) -> int | None:
    """Return the index of the first NaN or infinity in (n,) values, None where all are finite."""
    finite = np.isfinite(values)
    return None if finite.all() else int(np.argmin(finite))


def finite_float(value: str | float) -> float:
    """Convert to float.

    Raises:
        ValueError: no number, NaN, infinite, or an integer beyond the range of float64.
    """
    try:
        number = float(value)
    except OverflowError as error:
        raise ValueError(f"an integer of {len(str(value))} digits is beyond the range of float64") from error
    if not math.isfinite(number):
        raise ValueError(f"{number} is not finite")
    return number

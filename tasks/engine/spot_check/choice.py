"""Which windows to compute again: so many that every second is seen once, at places that no batch size shares."""

import numpy as np
from numpy.typing import NDArray

NEAREST = 0.9
"""Smallest gap between two chosen windows, as a share of a window's length; the largest is the whole length.

Gaps are random: with a fixed one of ten windows, batches of 2, 5 or 10 would be met at the same place each time, and
"only the first of a batch is right" would pass. Measured in docs/lab_notes/sampled_reference.md.
"""


def choose(windows: int, overlap: int, seeds: tuple[int, ...]) -> NDArray[np.int64]:
    """Draw windows that together see all of the audio.

    Args:
        windows: of the file.
        overlap: how many windows see the same second, 1 or more.
        seeds: of the generator: equal seeds draw equal windows.

    Returns:
        (chosen,) places in the file, ascending; the first and the last window are among them.
    """
    smallest = max(1, round(NEAREST * overlap))
    gaps = np.random.default_rng(seeds).integers(
        smallest, max(smallest, overlap), windows // smallest + 1, endpoint=True
    )
    places = np.append(0, np.cumsum(gaps))
    return np.unique(np.append(places[places < windows], windows - 1)).astype(np.int64)

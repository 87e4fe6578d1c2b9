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
    generator = np.random.default_rng(seeds)
    gaps = generator.integers(smallest, max(smallest, overlap), windows // smallest + 2, endpoint=True)
    # Begun before the file, so that every window is drawn about as often: from 0 on, the second one never would be.
    places = np.cumsum(gaps) - generator.integers(1, overlap, endpoint=True)
    inside = places[(places >= 0) & (places < windows)]
    return np.unique(np.concatenate([[0], inside, [windows - 1]])).astype(np.int64)

"""Two channels become one, without cancelling each other.

Everything that has more than one channel is folded to left and right by ffmpeg, the low-frequency channel left out. The
two are averaged, except where they are opposite: recorded with one cable's poles exchanged, or the two poles of one
balanced microphone as two channels. There the average is next to nothing, and the left channel alone is heard.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.engine.system.memory import iter_blocks

OPPOSITE_RATIO = 10.0
"""Power of half the difference over that of the average, 10 dB: from here on two channels are called opposite.

So one is the other's negative, at half its level at least. What is in one channel alone has a ratio of 1. The left
channel holds average and difference, so a block called wrongly lets music in that the average would cancel: speech in
both channels under opposite music is found less well. Measured in docs/lab_notes/measurements.md, "Downmix".
"""

BLOCK = 1600
"""Samples that are judged together: 100 ms at 16 kHz."""

BLOCKS_AT_ONCE = 600


def mix(source: Path, destination: Path, ratio: float = OPPOSITE_RATIO) -> float:
    """Write the mono mix of a file of interleaved left and right; return the share in which its channels are opposite.

    Args:
        source: (samples, 2) raw little-endian float32.
        destination: (samples,) likewise.
        ratio: of power, from which on two channels are opposite.

    Returns:
        The share of blocks, 0 to 1, in which the left channel stands for both.

    Raises:
        OSError: a file cannot be read or written.
    """
    count = source.stat().st_size // 8
    channels = np.memmap(source, dtype="<f4", mode="r", shape=(count, 2)) if count else np.zeros((0, 2), dtype="<f4")
    opposite = np.concatenate(
        [opposite_blocks(part, ratio) for _, part in _parts(channels)] or [np.zeros(0, dtype=bool)]
    )
    weights = opposite.astype(np.float32)
    with destination.open("wb") as file:
        for first, part in _parts(channels):
            file.write(mixed(part, weights, first).tobytes())
    return float(opposite.mean()) if len(opposite) else 0.0


def _parts(channels: NDArray[np.float32]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    return iter_blocks(channels, BLOCK * BLOCKS_AT_ONCE)


def opposite_blocks(channels: NDArray[np.float32], ratio: float = OPPOSITE_RATIO) -> NDArray[np.bool_]:
    """Tell of each block of (samples, 2) whether its channels are opposite; the last one may be shorter."""
    starts = np.arange(0, len(channels), BLOCK)
    left, right = np.float64(channels[:, 0]), np.float64(channels[:, 1])
    average, difference = (np.add.reduceat(half * half, starts) for half in ((left + right) / 2, (left - right) / 2))
    return np.asarray(difference > ratio * average)


def mixed(channels: NDArray[np.float32], weights: NDArray[np.float32], first: int) -> NDArray[np.float32]:
    """Mix (samples, 2) float32 that begin at sample `first` to (samples,).

    Args:
        channels: left and right.
        weights: of each block of the whole file, 1 where the left channel stands for both. Between the middles of two
            blocks one passes into the other, so that nothing clicks.
        first: where these samples begin in the file.
    """
    left, right = channels[:, 0], channels[:, 1]
    average = (left + right) * np.float32(0.5)
    around = weights[max(0, first // BLOCK - 1) : (first + len(channels)) // BLOCK + 2]
    if not around.any():
        return average
    at = (np.arange(first, first + len(channels)) + 0.5) / BLOCK - 0.5
    weight = np.interp(at, np.arange(len(weights)), weights).astype(np.float32)
    return average + weight * ((left - right) * np.float32(0.5))

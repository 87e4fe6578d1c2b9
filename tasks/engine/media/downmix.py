"""Two channels become one, without cancelling each other.

Everything that has more than one channel is folded to left and right by ffmpeg, the low-frequency channel left out. The
two are averaged, except where they are opposite: recorded with one cable's poles exchanged, or the two poles of one
balanced microphone as two channels. There the average is next to nothing, and the left channel alone is heard.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.engine.system.memory import iter_blocks

OPPOSITE_RATIO = 50.0
"""Power of half the difference over that of the average, 17 dB: from here on two channels are called opposite.

What is in one channel alone has a ratio of 1; a channel and its negative at three quarters of its level have 49. An
average is no worse for being quieter, since the level rule follows: it fails where little but noise is left in it. And
the left channel holds average and difference: of speech in both channels under opposite music the average is the one to
hear. Measured in docs/lab_notes/measurements.md, "Downmix".
"""

BLOCK = 1600
"""Samples that are mixed alike: 100 ms at 16 kHz."""

STRETCH = 21
"""Blocks that are judged together, 2.1 s. Over less, an average that holds noise alone passes for speech in soft words;
over more, shorter pieces of a film are averaged away."""

BLOCKS_AT_ONCE = 600


def mix(source: Path, destination: Path, ratio: float = OPPOSITE_RATIO, stretch: int = STRETCH) -> float:
    """Write the mono mix of a file of interleaved left and right; return the share in which its channels are opposite.

    Args:
        source: (samples, 2) raw little-endian float32.
        destination: (samples,) likewise.
        ratio: of power, from which on two channels are opposite.
        stretch: blocks that are judged together.

    Returns:
        The share of blocks, 0 to 1, in which the left channel stands for both.

    Raises:
        OSError: a file cannot be read or written.
    """
    count = source.stat().st_size // 8
    if not count:
        destination.write_bytes(b"")
        return 0.0
    channels = np.memmap(source, dtype="<f4", mode="r", shape=(count, 2))
    powers = np.concatenate([block_powers(part) for _, part in _parts(channels)])
    opposite = opposite_blocks(powers, ratio, stretch)
    weights = opposite.astype(np.float32)
    with destination.open("wb") as file:
        for first, part in _parts(channels):
            file.write(mixed(part, weights, first).tobytes())
    return float(opposite.mean())


def _parts(channels: NDArray[np.float32]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    return iter_blocks(channels, BLOCK * BLOCKS_AT_ONCE)


def block_powers(channels: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return (blocks, 2): energy of the average and of half the difference of (samples, 2); the last may be shorter."""
    starts = np.arange(0, len(channels), BLOCK)
    left, right = np.float64(channels[:, 0]), np.float64(channels[:, 1])
    halves = ((left + right) / 2, (left - right) / 2)
    return np.stack([np.add.reduceat(half * half, starts) for half in halves], axis=1)


def opposite_blocks(powers: NDArray[np.float64], ratio: float, stretch: int) -> NDArray[np.bool_]:
    """Tell of each block whether it lies in a stretch whose channels are opposite.

    Args:
        powers: as from `block_powers`.
        ratio: from which on they are.
        stretch: blocks, an odd number; fewer at both ends of the file.
    """
    average, difference = (_around(power, stretch) for power in powers.T)
    return np.asarray(_around(difference > ratio * average, stretch) > 0)


def _around(values: NDArray[Any], stretch: int) -> NDArray[np.float64]:
    """Sum of the values around each of one or more."""
    return np.convolve(values, np.ones(stretch))[stretch // 2 :][: len(values)]


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

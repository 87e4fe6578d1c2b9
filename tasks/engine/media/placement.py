"""Frames that say when they are heard, laid on one line of time."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

SILENCE_AT_ONCE = 1 << 20
"""Samples."""


def place(source: Path, frames: Iterable[tuple[int, int]], channels: int, destination: Path, most: int) -> None:
    """Write frames at their times: silence between them, nothing before zero, and of two at a time the first.

    Args:
        source: (samples, channels) raw little-endian float32, frame after frame.
        frames: (first sample, number of samples) of each; the first sample's time is in samples of the output.
        channels: of both files.
        destination: file to write.
        most: samples that may be written; the rest is left out.

    Raises:
        OSError: a file cannot be read or written.
    """
    width = channels * np.dtype("<f4").itemsize
    written = 0
    with source.open("rb") as file, destination.open("wb") as out:
        for first, count in frames:
            samples = file.read(count * width)
            if first > most:
                break
            while written < first:
                silent = min(first - written, SILENCE_AT_ONCE)
                out.write(bytes(silent * width))
                written += silent
            unheard = samples[(written - first) * width :]
            out.write(unheard)
            written += len(unheard) // width

"""Samples that lie in a file: what has been read need not stay in memory."""

import mmap
from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray


def forget(samples: NDArray[Any]) -> None:
    """Give back the pages that a mapped array has touched; they are read again where they are wanted again.

    Four hours are 880 MiB. An array that is not mapped or can be written to (its changes might lie in memory alone), or
    a system that cannot, keeps what it has.
    """
    mapping = getattr(samples, "_mmap", None)
    if mapping is not None and not samples.flags.writeable and hasattr(mmap, "MADV_DONTNEED"):
        mapping.madvise(mmap.MADV_DONTNEED)


def stretches(samples: NDArray[Any], size: int) -> Iterator[tuple[int, NDArray[Any]]]:
    """(first sample, at most `size` samples) one after the other, each forgotten when the next is asked for."""
    for first in range(0, len(samples), size):
        yield first, samples[first : first + size]
        forget(samples)

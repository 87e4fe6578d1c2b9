"""Memory of this process: what malloc keeps instead of giving it back, and maps whose pages are released.

A network's large tensors come and go hundreds of times per pass. By default glibc gives freed memory back to the
system, which clears it page by page when the next tensor asks for it: up to a tenth of the engines' time. Memory that
another allocator manages is not touched.
"""

import ctypes
import mmap
import platform
from collections.abc import Iterator
from functools import cache
from typing import Any

from numpy.typing import NDArray

from tasks.engine.core.constants import MIB

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
"""Numbers of glibc's malloc.h; mallopt(3) tells what they do."""

SETTINGS = {
    M_TRIM_THRESHOLD: 256 * MIB,  # free memory at the end of the main thread's arena goes back beyond that
    M_TOP_PAD: 64 * MIB,  # other threads' arenas are made of heaps of that size, and keep them
    M_MMAP_THRESHOLD: 32 * MIB,  # the networks' tensors are smaller; what is larger goes back at once
}


@cache
def keep_freed_memory() -> None:
    """Have this process keep what it frees, where its C library is glibc."""
    if library := glibc():
        for option, value in SETTINGS.items():
            library.mallopt(option, value)


def give_memory_back() -> None:
    """What is free now goes back to the system after all: behind a stage whose threads leave theirs to nobody."""
    if library := glibc():
        library.malloc_trim(0)


def glibc() -> ctypes.CDLL | None:
    """The C library of this process, where it is glibc."""
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None


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

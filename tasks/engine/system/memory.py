"""Memory of this process: what malloc keeps instead of giving it back, and mapped files whose pages are released.

A network's large tensors come and go hundreds of times per pass. By default glibc gives freed memory back to the
system, which clears it page by page when the next tensor asks for it: up to a tenth of the engines' time. Memory that
another allocator manages is not touched.

Sources: mallopt(3), malloc_trim(3), madvise(2).
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
"""Numbers of glibc's malloc.h."""

MALLOPT_VALUES = {
    M_TRIM_THRESHOLD: 256 * MIB,  # free memory at the end of the main thread's arena goes back beyond that
    M_TOP_PAD: 64 * MIB,  # other threads' arenas are made of heaps of that size, and keep them
    M_MMAP_THRESHOLD: 32 * MIB,  # the networks' tensors are smaller; what is larger goes back at once
}


@cache
def keep_freed_memory() -> None:
    """Have malloc keep what this process frees, where its C library is glibc."""
    if library := glibc():
        for option, value in MALLOPT_VALUES.items():
            library.mallopt(option, value)


def trim_heap() -> None:
    """Give what is free now back to the system after all: behind a stage whose threads leave their arenas idle."""
    if library := glibc():
        library.malloc_trim(0)


def glibc() -> ctypes.CDLL | None:
    """Return the C library of this process, where it is glibc."""
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None


def release_pages(samples: NDArray[Any]) -> None:
    """Release the resident pages of a mapped array; they are read again where they are wanted again.

    Four hours are 880 MiB. An array that is not mapped or is writable (its changes might lie in memory alone), or a
    system without MADV_DONTNEED, keeps what it has.
    """
    mapping = getattr(samples, "_mmap", None)
    if mapping is not None and not samples.flags.writeable and hasattr(mmap, "MADV_DONTNEED"):
        mapping.madvise(mmap.MADV_DONTNEED)


def iter_blocks(samples: NDArray[Any], size: int) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield (first sample, at most `size` samples) in order; its pages are released when the next is asked for."""
    for first in range(0, len(samples), size):
        yield first, samples[first : first + size]
        release_pages(samples)

"""glibc's memory, kept where it was used: a network's large tensors come and go hundreds of times per pass.

By default glibc gives freed memory back to the system, which clears it page by page when the next tensor asks for it:
up to a tenth of the engines' time. Memory that another allocator manages is not touched.
"""

import ctypes
import platform
from functools import cache

MIB = 1024**2
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
"""Numbers of glibc's malloc.h; mallopt(3) tells what they do."""

SETTINGS = {
    M_TRIM_THRESHOLD: 256 * MIB,  # what an arena may keep
    M_TOP_PAD: 64 * MIB,  # a thread's arena is made of heaps of that size, and gives back whole ones unless they are it
    M_MMAP_THRESHOLD: 32 * MIB,  # the networks' tensors are smaller; what is larger goes back at once
}


@cache
def keep_freed_memory() -> bool:
    """Set it for this process, once; False where the C library is not glibc, or refuses."""
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    taken = [mallopt(option, value) for option, value in SETTINGS.items()]
    return all(taken)

"""Freed memory stays with the process: the next pass finds it, instead of having the system clear it page by page."""

import platform
import subprocess
import sys

import pytest

PASSES = """
import resource, sys
from concurrent.futures import ThreadPoolExecutor
from tasks.engine.allocator import MIB, keep_freed_memory

def tensors():
    for size in (9 * MIB, 14 * MIB, 20 * MIB, 14 * MIB, 9 * MIB):
        pieces = [bytearray(size) for _ in range(3)]
        for piece in pieces:
            piece[::4096] = bytes(len(piece[::4096]))

if sys.argv[1] == "kept":
    assert keep_freed_memory() and keep_freed_memory()
tensors()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    tensors()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library than glibc manages memory its own way")
def test_the_next_pass_finds_the_memory_of_the_last() -> None:
    """Page faults of five more passes: thousands as glibc ships, next to none once memory is kept."""
    given, kept = (
        int(subprocess.run([sys.executable, "-c", PASSES, how], capture_output=True, check=True, text=True).stdout)
        for how in ("given", "kept")
    )

    assert kept * 10 < given


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is called, and nothing fails, where there is no glibc."""
    from tasks.engine import allocator

    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))

    assert allocator.keep_freed_memory.__wrapped__() is False

"""Freed memory stays with the process: the next pass finds it, instead of having the system clear it page by page."""

import ctypes
import platform
import subprocess
import sys

import pytest

from tasks.engine.system import memory

PASSES = """
import resource, sys
from concurrent.futures import ThreadPoolExecutor
import psutil
from tasks.engine.core.constants import MIB
from tasks.engine.system.memory import SETTINGS, give_memory_back, glibc, keep_freed_memory

def tensors():
    for size in (9 * MIB, 14 * MIB, 20 * MIB, 14 * MIB, 9 * MIB):
        pieces = [bytearray(size) for _ in range(3)]
        for piece in pieces:
            piece[::4096] = bytes(len(piece[::4096]))

def faults():
    tensors()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        tensors()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

if sys.argv[1] == "kept":
    keep_freed_memory()
with ThreadPoolExecutor(1) as pool:
    print(faults(), pool.submit(faults).result())
before = psutil.Process().memory_info().rss
give_memory_back()
print((before - psutil.Process().memory_info().rss) // MIB)
"""

glibc_only = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="another C library than glibc manages memory its own way"
)


def figures(how: str) -> list[int]:
    """Page faults of five passes in the main thread and in another; MiB that go back when asked for."""
    ran = subprocess.run([sys.executable, "-c", PASSES, how], capture_output=True, check=True, text=True)
    return [int(word) for word in ran.stdout.split()]


@glibc_only
def test_the_next_pass_finds_the_memory_of_the_last() -> None:
    """Five more passes, in the main thread and in another: thousands of faults as glibc ships, next to none after."""
    given, kept = figures("given"), figures("kept")

    assert kept[0] * 10 < given[0]
    assert kept[1] * 10 < given[1]


@glibc_only
def test_memory_goes_back_when_asked_for() -> None:
    """Both threads kept what three pieces of 20 MiB took; nearly all of it is returned."""
    assert figures("kept")[2] > 80


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No library is even opened where there is no glibc."""
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: pytest.fail("opened"))
    memory.keep_freed_memory.__wrapped__()

    memory.give_memory_back()

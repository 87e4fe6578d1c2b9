"""Freed memory stays with the process: the next pass finds it, instead of having the system clear it page by page."""

import ctypes
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tasks.engine.system import memory

PASSES = """
import resource, sys
from concurrent.futures import ThreadPoolExecutor
import psutil
from tasks.engine.core.constants import MIB
from tasks.engine.system.memory import glibc, keep_freed_memory, trim_heap

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
trim_heap()
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

    memory.trim_heap()


def test_released_pages_are_read_again(tmp_path: Path) -> None:
    """Resident memory does not keep a file that has passed by, and its samples are the same afterwards."""
    np.arange(16 * 1024**2, dtype="<f4").tofile(tmp_path / "samples.f32")
    samples = np.memmap(tmp_path / "samples.f32", dtype="<f4", mode="r")
    peak = total = 0
    for first, block in memory.iter_blocks(samples[:], 1024**2):
        total += int(block[0] == first)
        peak = max(peak, resident(tmp_path / "samples.f32"))

    assert total == 16
    assert 0 < peak <= 6 * 1024
    assert samples[-1] == np.float32(len(samples) - 1)


def test_changes_that_lie_in_memory_alone_are_never_released(tmp_path: Path) -> None:
    """A copy-on-write mapping that was written to keeps its values; an array that is not mapped is left alone."""
    np.zeros(5000, dtype="<f4").tofile(tmp_path / "samples.f32")
    written, plain = np.memmap(tmp_path / "samples.f32", dtype="<f4", mode="c"), np.ones(3)
    written[7] = 1
    memory.release_pages(written)
    memory.release_pages(plain)

    assert written[7] == plain[0] == 1


def resident(path: Path) -> int:
    """KiB of a mapped file that this process has in memory."""
    maps = Path("/proc/self/smaps").read_text(encoding="utf-8")
    mapping = maps.split(str(path))[1]
    return int(mapping.split("Rss:")[1].split()[0])

"""Batch sizes: planned from memory, halved where it runs out or where smaller is faster, never back and forth."""

import itertools
from collections.abc import Callable, Iterator

import pytest
import torch

from tasks.engine.core.exception_map import is_out_of_memory
from tasks.engine.inference.batching import BatchSize, even_bounds

GIB = 1024**3


def worked(batch: BatchSize, windows: int, fits: int, cost: Callable[[int], float] = lambda _: 0.0) -> list[int]:
    """Sizes of the batches that succeeded on a machine where `fits` windows fit and a window costs so many seconds."""
    now = [0.0]
    batch.clock = lambda: now[0]

    def work(first: int, count: int, size: int) -> tuple[int, int, int]:
        now[0] += cost(size) * size
        if size > fits:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return first, count, size

    done = [piece for first in range(0, windows, 16) for piece in batch.pieces(first, min(first + 16, windows), work)]
    covered = [n for first, count, _ in done for n in range(first, first + count)]
    assert covered == list(range(windows))
    return [size for _, _, size in done]


def never() -> float:
    """A clock that nobody reads."""
    return 0.0


def test_out_of_memory_halves_the_batch_and_repeats_it() -> None:
    """Every window is done once, in order, and what did not fit is not tried again."""
    batch = BatchSize(16, adapts=False, clock=never)

    assert worked(batch, 37, fits=5) == [4, 4, 4, 4, 4, 4, 4, 4, 4, 4]
    assert batch.reduced


def test_a_single_window_that_does_not_fit_is_an_error() -> None:
    """Then the CPU has its turn."""
    with pytest.raises(RuntimeError, match="out of memory"):
        worked(BatchSize(16, adapts=False, clock=never), 8, fits=0)


def test_other_errors_are_not_repeated() -> None:
    """An illegal address does not go away with a smaller batch."""

    def work(*_: int) -> Iterator[int]:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with pytest.raises(RuntimeError, match="illegal"):
        list(BatchSize(16, adapts=False, clock=never).pieces(0, 16, work))


def test_a_slow_batch_is_halved_as_long_as_that_helps(caplog: pytest.LogCaptureFixture) -> None:
    """Over 100 ms per window: 16, then 8 (half the time), then 4 (no better): back to 8, for good."""
    batch = BatchSize(16, adapts=True, clock=never)
    sizes = worked(batch, 400, fits=99, cost=lambda size: {16: 0.4, 8: 0.2, 4: 0.19}[size])

    assert sizes[:2] == [16, 16]
    assert set(sizes[-20:]) == {8}
    assert batch.settled
    assert "Optimisation: réduction batch_size de 16→8 (trop lent)" in caplog.text


def test_a_fast_batch_is_left_alone() -> None:
    """100 ms per window or less."""
    batch = BatchSize(16, adapts=True, clock=never)

    assert set(worked(batch, 160, fits=99, cost=lambda _: 0.05)) == {16}
    assert not batch.reduced


def test_a_reference_does_not_adapt_to_speed() -> None:
    """It has to repeat bit for bit, however busy the machine is."""
    assert set(worked(BatchSize(16, adapts=False, clock=never), 160, fits=99, cost=lambda _: 9.0)) == {16}


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:119] . DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
)
def test_memory_that_ran_out_is_recognised(error: Exception) -> None:
    """Python's way, CUDA's and torch's own on the CPU."""
    assert is_out_of_memory(error)


def test_batches_are_even() -> None:
    """Every worker gets as many batches as the others, none above the size, sizes at most one window apart."""
    assert even_bounds(22, 8, 2) == [0, 6, 12, 17, 22]
    assert even_bounds(3, 4, 2) == [0, 2, 3]
    assert even_bounds(1, 4, 2) == [0, 1]
    assert even_bounds(0, 4, 2) == [0, 0]
    for windows, size, workers in itertools.product(range(1, 70), (1, 2, 7, 32), (1, 2, 3)):
        bounds = even_bounds(windows, size, workers)
        counts = [after - before for before, after in itertools.pairwise(bounds)]
        assert (bounds[0], bounds[-1]) == (0, windows)
        assert max(counts) <= size
        assert max(counts) - min(counts) in {0, 1}
        assert len(counts) % workers == 0 or len(counts) == windows

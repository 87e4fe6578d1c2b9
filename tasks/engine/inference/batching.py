"""How many windows go through the networks at once: planned from free memory, then taught by what happens."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Lock
from typing import TypeVar

from tasks.engine.core.exception_map import is_out_of_memory
from tasks.engine.core.log_lines import BATCH_SIZE_REDUCED

log = logging.getLogger("step4.batching")

SEGMENTED_ON_CPU = 3
"""Windows in segmentation for each one in embeddings: neighbours share a convolution, and the LSTM multiplies larger
matrices. Milliseconds of CPU per window at 6, 8, 11, 12 and 16 of them: 35.5, 35.3, 34.2, 33.9 and 33.5."""


def even_bounds(windows: int, size: int, workers: int) -> list[int]:
    """List where batches begin, and where the last one ends: of at most `size` windows, equal but for one window.

    There are as many as give every worker as many as the others: 21 windows in batches of 8 would keep one of two
    workers busy with 16 of them. Fewer windows than workers are a batch each. The larger ones come first, so that no
    worker gets them all.
    """
    batches = min(windows, workers * -(-windows // (size * workers)))
    if not windows:
        return [0, 0]
    each, larger = divmod(windows, batches)
    return [i * each + min(i, larger) for i in range(batches + 1)]


SLOW_SEC = 0.1
"""Per window: a batch that takes longer is tried at half its size."""

HELPS = 0.9
"""Of the time before: a smaller batch stays only where it takes at most that."""

Result = TypeVar("Result")


class Halving(StrEnum):
    """Why a batch is halved, as the log says it."""

    OUT_OF_MEMORY = "mémoire insuffisante"
    SLOW = "trop lent"


@dataclass
class BatchSize:
    """The size that a run's batches have now. It only ever shrinks, except that one trial may be taken back.

    Out of memory halves it and the batch is repeated, down to one window. Where it adapts to speed, a batch that takes
    over 100 ms per window is tried at half its size, until that no longer helps: then the last size that did is kept
    for good, so it never oscillates. Answers do not depend on it beyond rounding, and a reference, which has to repeat
    bit for bit, must not adapt to speed.

    Attributes:
        size: windows.
        adapts: does speed change it too?
        clock: gives seconds.
        warm: has a batch of this size passed, which sets up kernels and memory?
        settled: has speed had its say?
        before: seconds per window at twice the size, while half of it is on trial.
        reduced: was the size ever halved?
        lock: held while the size changes.
    """

    size: int
    adapts: bool
    clock: Callable[[], float]
    warm: bool = False
    settled: bool = False
    before: float | None = None
    reduced: bool = False
    lock: Lock = field(default_factory=Lock)

    def pieces(self, first: int, stop: int, work: Callable[[int, int, int], Result]) -> Iterator[Result]:
        """Work through windows [first, stop); `work` takes a first window, how many, and the size to pad them to.

        Raises:
            Exception: whatever `work` raises, out of memory only where a single window does not fit.
        """
        while first < stop:
            size = self.size
            count = min(size, stop - first)
            began = self.clock()
            try:
                result = work(first, count, size)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or size == 1:
                    raise
                self.halve(size, Halving.OUT_OF_MEMORY)
                continue
            self.learn(size, (self.clock() - began) / size)
            first += count
            yield result

    def halve(self, size: int, why: Halving) -> None:
        """Go on with half of `size`, unless another thread already has."""
        with self.lock:
            self.settled = self.settled or why is not Halving.SLOW
            if self.size >= size:
                self.size, self.reduced = size // 2, True
                log.warning(BATCH_SIZE_REDUCED, size, self.size, why)

    def learn(self, size: int, seconds: float) -> None:
        """Take note of the seconds per window that a batch of `size` took."""
        if not self.adapts or self.settled or size != self.size:
            return
        if not self.warm:
            self.warm = True  # the first batch sets up kernels and memory
            return
        if self.before is not None and seconds > HELPS * self.before:
            self.settled, self.size = True, 2 * size
            log.info("Batch size %d kept: %d is no faster", self.size, size)
        elif seconds > SLOW_SEC and size > 1:
            self.before, self.warm = seconds, False
            self.halve(size, Halving.SLOW)
        else:
            self.settled = True

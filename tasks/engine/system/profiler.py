"""Seconds and memory of each stage, where somebody asked for them: elsewhere a mark costs nothing."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Event, Thread

import psutil

from tasks.engine.core.constants import MIB

LOADING = "load"
"""The stage before inference: models, and a place on the GPU."""

EVERY_SEC = 0.05
"""Between two looks at the process's memory, 20 microseconds each."""


@dataclass(frozen=True, slots=True)
class StageMeasurement:
    """What a stage took.

    rss_mib: the process's largest resident memory meanwhile, whatever else ran in it. device_mib: the largest that
    torch held on the device; None on a CPU.
    """

    stage: str
    seconds: float
    rss_mib: float
    device_mib: float | None


@dataclass
class StageProfiler:
    """Stage after stage, from one mark to the next. device: as torch names it."""

    device: str
    measures: list[StageMeasurement] = field(default_factory=list)
    since: float = field(default_factory=time.perf_counter)
    rss: int = 0
    ended: Event = field(default_factory=Event)

    def mark(self, stage: str) -> None:
        """The stage ended here."""
        self.look()
        now = time.perf_counter()
        measure = StageMeasurement(
            stage, round(now - self.since, 4), round(self.rss / MIB, 1), device_peak(self.device)
        )
        self.measures.append(measure)
        self.since, self.rss = now, 0

    def look(self) -> None:
        """Note how much memory the process has."""
        self.rss = max(self.rss, psutil.Process().memory_info().rss)

    def watch(self) -> None:
        """Look until told to stop."""
        while not self.ended.wait(EVERY_SEC):
            self.look()


def device_peak(device: str) -> float | None:
    """MiB that torch held at most since the last call; None on a CPU, or where torch has not been needed."""
    torch = sys.modules.get("torch")
    if device == "cpu" or torch is None or not torch.cuda.is_available():
        return None
    with suppress(RuntimeError):  # a device that failed says nothing of its memory either
        peak = float(torch.cuda.max_memory_allocated(device)) / MIB
        torch.cuda.reset_peak_memory_stats(device)
        return round(peak, 1)
    return None


_RUNNING: ContextVar[StageProfiler | None] = ContextVar("meter", default=None)


def mark_stage(stage: str) -> None:
    """Tell the meter of this thread's work, if there is one, that a stage has ended."""
    meter = _RUNNING.get()
    if meter is not None:
        meter.mark(stage)


@contextmanager
def profile_stages(device: str, *, told: bool = True) -> Iterator[StageProfiler]:
    """Measure the stages that this block marks; those that `stage_done` tells of too, unless the block is one stage."""
    device_peak(device)  # what came before is not ours
    meter = StageProfiler(device)
    watcher = Thread(target=meter.watch, name="meter", daemon=True)
    token = _RUNNING.set(meter if told else None)
    watcher.start()
    try:
        yield meter
    finally:
        meter.ended.set()
        watcher.join()
        _RUNNING.reset(token)

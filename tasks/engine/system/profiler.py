"""Seconds and peak memory of each stage, where a profiler runs: elsewhere a mark costs nothing."""

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

SAMPLING_INTERVAL_SEC = 0.05
"""Between two samples of the process's memory, 20 microseconds each."""


@dataclass(frozen=True, slots=True)
class StageMeasurement:
    """What a stage took.

    Attributes:
        stage: its name.
        seconds: wall-clock time.
        rss_mib: the process's peak resident memory meanwhile, whatever else ran in it.
        device_mib: the peak that torch allocated on the device; None on a CPU.
    """

    stage: str
    seconds: float
    rss_mib: float
    device_mib: float | None


@dataclass
class StageProfiler:
    """Measures stage after stage, from one mark to the next.

    Attributes:
        device: as torch names it.
        measurements: of the stages that have ended.
        since: `time.perf_counter` at the last mark.
        rss: bytes, the largest resident memory sampled since.
        stopped: set when sampling shall end.
    """

    device: str
    measurements: list[StageMeasurement] = field(default_factory=list)
    since: float = field(default_factory=time.perf_counter)
    rss: int = 0
    stopped: Event = field(default_factory=Event)

    def mark(self, stage: str) -> None:
        """Record that a stage ends here."""
        self.sample_memory()
        now = time.perf_counter()
        measurement = StageMeasurement(
            stage, round(now - self.since, 4), round(self.rss / MIB, 1), device_peak(self.device)
        )
        self.measurements.append(measurement)
        self.since, self.rss = now, 0

    def sample_memory(self) -> None:
        """Sample the process's resident memory."""
        self.rss = max(self.rss, psutil.Process().memory_info().rss)

    def run(self) -> None:
        """Sample memory until `stopped` is set."""
        while not self.stopped.wait(SAMPLING_INTERVAL_SEC):
            self.sample_memory()


def device_peak(device: str) -> float | None:
    """Return the MiB that torch allocated at most since the last call; None on a CPU, or where torch is not loaded."""
    torch = sys.modules.get("torch")
    if device == "cpu" or torch is None or not torch.cuda.is_available():
        return None
    with suppress(RuntimeError):  # a device that failed says nothing of its memory either
        peak = float(torch.cuda.max_memory_allocated(device)) / MIB
        torch.cuda.reset_peak_memory_stats(device)
        return round(peak, 1)
    return None


_RUNNING: ContextVar[StageProfiler | None] = ContextVar("profiler", default=None)


def mark_stage(stage: str) -> None:
    """Tell the profiler of this context, if there is one, that a stage has ended."""
    profiler = _RUNNING.get()
    if profiler is not None:
        profiler.mark(stage)


@contextmanager
def profile_stages(device: str, *, marked_within: bool = True) -> Iterator[StageProfiler]:
    """Measure the stages of this block.

    Args:
        device: as torch names it.
        marked_within: whether calls of `mark_stage` inside the block count; False where the block is one stage.
    """
    device_peak(device)  # what came before does not count
    profiler = StageProfiler(device)
    sampler = Thread(target=profiler.run, name="profiler", daemon=True)
    token = _RUNNING.set(profiler if marked_within else None)
    sampler.start()
    try:
        yield profiler
    finally:
        profiler.stopped.set()
        sampler.join()
        _RUNNING.reset(token)

"""Where the time of a run went: until inference began, inference, and what came after."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tasks.engine.inference.types import Progress

NETWORKS = ("segmentation", "embeddings")
"""Steps of an inference whose progress is the networks' own."""


@dataclass
class Stopwatch:
    """Times a run by what it reports.

    Attributes:
        clock: seconds since some instant.
        begun: of the run.
        inference: first and last report of the networks; empty where nothing was computed.
    """

    clock: Callable[[], float] = time.perf_counter
    begun: float = field(init=False)
    inference: list[float] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.begun = self.clock()

    def watching(self, report: Progress) -> Progress:
        """Return the same reporter, watched."""

        def watched(stage: str, done: int, total: int) -> None:
            if stage.endswith(NETWORKS):
                self.inference = [*self.inference[:1], self.clock()]
            report(stage, done, total)

        return watched

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return self.clock() - self.begun

    @property
    def split(self) -> str:
        """The parts, for a person; nothing where nothing was computed."""
        if not self.inference:
            return ""
        first, last = self.inference[0], self.inference[-1]
        return f" (inference {last - first:.1f} s, start {first - self.begun:.1f} s)"

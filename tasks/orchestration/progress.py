"""The progress of a run in the Prefect UI: one bar, which only grows, and says how the run ended."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from uuid import UUID

from tasks.engine.dependencies import Dependencies, no_progress
from tasks.orchestration.connection import best_effort, connected

EVERY_SEC = 10.0
WEIGHTS = {"segmentation": 0.25, "embeddings": 0.75}
"""Parts of an inference, as they take their time."""

UNFINISHED = 99.0
"""The most that a run shows before it is done: files are yet to be compared and published."""


@dataclass
class ProgressBar:
    """One run's bar; a run that is over in ten seconds has none.

    Attributes:
        clock: seconds since some instant.
        shares: percent of each step, by its name.
        percent: what the bar shows; it never falls.
        artifact: id on the server.
    """

    clock: Callable[[], float]
    shares: dict[str, float] = field(default_factory=dict)
    percent: float = 0.0
    artifact: UUID | None = None

    def __post_init__(self) -> None:
        self._told, self._lock = self.clock(), threading.Lock()
        # Inference reports from threads of its own, which do not know whose run they work for.
        self._of_this_run = copy_context()

    def report(self, step: str, done: int, total: int) -> None:
        """Take a step's progress, and tell the server every ten seconds at most."""
        self.shares[step] = 100 * done / max(total, 1)
        if self.clock() - self._told < EVERY_SEC or not self._lock.acquire(blocking=False):
            return
        try:
            self.percent = max(self.percent, min(UNFINISHED, overall(dict(self.shares))))
            self._tell(", ".join(f"{name} {share:.0f} %" for name, share in dict(self.shares).items()))
        finally:
            self._told = self.clock()
            self._lock.release()

    def end(self, *, stopped: bool) -> None:
        """Fill the bar, or mark it; where none was shown, none appears."""
        if self.artifact is None:
            return
        with self._lock:
            self.percent = self.percent if stopped else 100.0
            self._tell(f"stopped at {self.percent:.0f} %" if stopped else "done")

    def _tell(self, text: str) -> None:
        with best_effort("Progress"):
            self._of_this_run.run(self._send, text)

    def _send(self, text: str) -> None:
        """Create the artifact, or bring it up to date."""
        from prefect.artifacts import create_progress_artifact, update_progress_artifact  # noqa: PLC0415

        if self.artifact is None:
            self.artifact = UUID(str(create_progress_artifact(self.percent, description=text)))
        else:
            update_progress_artifact(self.artifact, self.percent, text)


def overall(shares: Mapping[str, float]) -> float:
    """Return the percent of all inferences that have begun, each weighed by its parts.

    Args:
        shares: percent of each step, named `candidate: segmentation` and the like.
    """
    roles: dict[str, float] = {}
    for name, share in shares.items():
        role, _, step = name.rpartition(": ")
        roles[role] = roles.get(role, 0.0) + WEIGHTS.get(step, 0.0) * share
    return sum(roles.values()) / len(roles) if roles else 0.0


@contextmanager
def shown_progress(dependencies: Dependencies) -> Iterator[Dependencies]:
    """Show the progress of this block on the server, unless somebody watches already."""
    if dependencies.progress is not no_progress or not connected():
        yield dependencies
        return
    bar = ProgressBar(time.monotonic)
    try:
        yield replace(dependencies, progress=bar.report)
    except BaseException:
        bar.end(stopped=True)
        raise
    bar.end(stopped=False)

"""Outcomes of a batch: never an average, always the worst video first."""

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from tasks.engine.core.errors import (
    BatchError,
    DriftError,
    EngineError,
    MediaError,
    ServiceError,
    Step4Error,
    StorageError,
    UsageError,
)
from tasks.engine.core.printable import printable

KINDS = (DriftError, EngineError, MediaError, StorageError, ServiceError, Step4Error, UsageError)
SEVERITY = [error.exit_code for error in KINDS]
"""Exit codes, the worst first: a timeline that is wrong, a device, a video, a disk, a server, a bug, a request."""


@dataclass(frozen=True, slots=True)
class VideoOutcome:
    """How the run of one video ended.

    Attributes:
        video: path.
        exit_code: 0, or the error's.
        error: its one sentence.
        verdict: of a published timeline.
        current: whether there was nothing to do.
        excess: of a drift, the worst criterion in multiples of its limit; may be infinite.
        run: id of the flow run on the server, where there was one.
        changed: exchange copies that others changed; that is no failure.
    """

    video: str
    exit_code: int = 0
    error: str = ""
    verdict: str | None = None
    current: bool = False
    excess: float = 0.0
    run: str | None = None
    changed: tuple[str, ...] = ()

    @property
    def rank(self) -> tuple[int, float, str]:
        """Sort key, the worst first: by kind of failure, within drift by how far beyond its limit."""
        severity = SEVERITY.index(self.exit_code) if self.exit_code in SEVERITY else len(SEVERITY)
        return severity, -self.excess, self.video

    def to_dict(self) -> dict[str, Any]:
        """Convert to JSON types: an infinite excess, over a limit of 0, becomes null."""
        return asdict(self) | {"excess": self.excess if math.isfinite(self.excess) else None}


@dataclass(slots=True)
class BatchTotals:
    """Counts of the successes, and every failure: memory grows with the failures alone.

    Attributes:
        current: videos whose timeline was there already.
        published: videos by verdict of their new timeline.
        failures: outcomes of the others, as they came.
    """

    current: int = 0
    published: Counter[str] = field(default_factory=Counter)
    failures: list[VideoOutcome] = field(default_factory=list)

    def add(self, outcome: VideoOutcome) -> None:
        """Count one video."""
        if outcome.exit_code:
            self.failures.append(outcome)
        elif outcome.current:
            self.current += 1
        else:
            self.published[outcome.verdict or "unknown"] += 1

    @property
    def succeeded(self) -> int:
        """Number of videos that have a timeline now."""
        return self.current + self.published.total()

    def failure(self, *, partial_success_ok: bool) -> BatchError | None:
        """Make the error that a batch with failures ends with; None without failures, or where a success is enough."""
        report = self.report(partial_success_ok=partial_success_ok)
        if not report["exit_code"]:
            return None
        worst = report["failures"][0]
        count = f"{report['failed']} of {report['videos']} videos failed, the worst: {worst['video']}"
        return BatchError(f"{count}: {worst['error']}", report["exit_code"], report)

    def report(self, *, partial_success_ok: bool) -> dict[str, Any]:
        """Convert to JSON types, as `--json` prints it: the failures are sorted, the worst first."""
        failures = worst_first(self.failures)
        forgiven = partial_success_ok and self.succeeded
        return {
            "exit_code": failures[0].exit_code if failures and not forgiven else 0,
            "videos": self.succeeded + len(failures),
            "current": self.current,
            "published": dict(self.published),
            "failed": len(failures),
            "failures": [outcome.to_dict() for outcome in failures],
        }


def worst_first(outcomes: Iterable[VideoOutcome]) -> list[VideoOutcome]:
    """Sort by rank."""
    return sorted(outcomes, key=lambda outcome: outcome.rank)


def failed(video: str, error: Exception, excess: float = 0.0) -> VideoOutcome:
    """Make the outcome of a video whose run raised."""
    name = printable(video)
    if isinstance(error, Step4Error):
        return VideoOutcome(name, error.exit_code, printable(error), excess=excess)
    return VideoOutcome(name, Step4Error.exit_code, repr(error))


def failed_elsewhere(video: str, message: str, excess: float = 0.0, run: str | None = None) -> VideoOutcome:
    """Make the outcome of a video whose run failed in another process: only the state's message is known.

    It ends in `(exit code 4)`, unless the run ended in a way that nobody foresaw.
    """
    named = re.fullmatch(r"(.*) \(exit code (\d+)\)", message, flags=re.DOTALL)
    if named is None:
        return VideoOutcome(video, Step4Error.exit_code, message, run=run)
    return VideoOutcome(video, int(named[2]), named[1], excess=excess, run=run)

"""The outside world, one seam each: what a run does not compute itself, passed in so that tests need no patching."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tasks.engine.devices import facts
from tasks.engine.devices.facts import DeviceFacts
from tasks.engine.diagnosis import patching
from tasks.engine.diagnosis.patching import Explainer
from tasks.engine.inference import diarizer
from tasks.engine.inference.types import Diarizer, Progress
from tasks.engine.system import sandbox
from tasks.engine.system.sandbox import Runner


def check_low_precision(device: str, half: str) -> str | None:
    """What is wrong with a device's 16-bit arithmetic, if anything; see `tasks.engine.devices.low_precision_check`."""
    from tasks.engine.devices.low_precision_check import check_low_precision  # noqa: PLC0415  # torch takes three seconds

    return check_low_precision(device, half)


def utc_now() -> datetime:
    """The time of day, for the manifest."""
    return datetime.now(UTC)


def no_progress(_stage: str, _done: int, _total: int) -> None:
    """Report to nobody."""


@dataclass(frozen=True, slots=True)
class Dependencies:
    """ffmpeg, the device probe, the networks, the clock, and whoever watches progress."""

    run_ffmpeg: Runner = sandbox.run
    device_facts: Callable[[], DeviceFacts] = facts.probe
    check_low_precision: Callable[[str, str], str | None] = check_low_precision
    diarizer: Diarizer = diarizer.diarize
    explainer: Explainer = patching.explain
    now: Callable[[], datetime] = utc_now
    progress: Progress = field(default=no_progress)


_IN_FORCE: ContextVar[Dependencies] = ContextVar("dependencies")


def current_dependencies() -> Dependencies:
    """The dependencies of this run: the real ones, unless the caller brought others."""
    return _IN_FORCE.get(None) or Dependencies()


@contextmanager
def use_dependencies(dependencies: Dependencies) -> Iterator[None]:
    """Let flows started in this block use these dependencies: a flow's own parameters are for people to fill in."""
    token = _IN_FORCE.set(dependencies)
    try:
        yield
    finally:
        _IN_FORCE.reset(token)

"""The outside world, one seam each: what a run does not compute itself, passed in so that tests need no patching."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tasks.engine import confined, devices, diarizer, experiment
from tasks.engine.confined import Runner
from tasks.engine.devices import DeviceFacts
from tasks.engine.diarizer import Diarizer, Progress
from tasks.engine.experiment import Explainer


def half_trouble(device: str, half: str) -> str | None:
    """What is wrong with a device's 16-bit arithmetic, if anything; see `tasks.engine.half`."""
    from tasks.engine.half import trouble  # noqa: PLC0415  # torch takes three seconds

    return trouble(device, half)


def utc_now() -> datetime:
    """The time of day, for the manifest."""
    return datetime.now(UTC)


def no_progress(_stage: str, _done: int, _total: int) -> None:
    """Report to nobody."""


@dataclass(frozen=True, slots=True)
class Seams:
    """ffmpeg, the device probe, the networks, the clock, and whoever watches progress."""

    run_ffmpeg: Runner = confined.run
    device_facts: Callable[[], DeviceFacts] = devices.probe
    half_trouble: Callable[[str, str], str | None] = half_trouble
    diarizer: Diarizer = diarizer.diarize
    explainer: Explainer = experiment.explain
    now: Callable[[], datetime] = utc_now
    progress: Progress = field(default=no_progress)


_IN_FORCE: ContextVar[Seams] = ContextVar("seams")


def current_seams() -> Seams:
    """The seams of this run: the real ones, unless the caller brought others."""
    return _IN_FORCE.get(None) or Seams()


@contextmanager
def seams_in_force(seams: Seams) -> Iterator[None]:
    """Let flows started in this block use these seams: a flow's own parameters are for people to fill in."""
    token = _IN_FORCE.set(seams)
    try:
        yield
    finally:
        _IN_FORCE.reset(token)

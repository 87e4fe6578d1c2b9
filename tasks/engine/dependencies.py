"""Dependency injection: what a run does not compute itself is passed in, so that tests need no patching."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from tasks.engine.devices import facts
from tasks.engine.devices.facts import DeviceFacts
from tasks.engine.devices.plan import DevicePlan
from tasks.engine.diagnosis import patching
from tasks.engine.diagnosis.patching import Explainer
from tasks.engine.inference.diarizer import diarize, preload
from tasks.engine.inference.types import Diarizer, Parameters, Progress, Recomputer
from tasks.engine.inference.window_outputs import Choice, Recomputed
from tasks.engine.system import sandbox
from tasks.engine.system.sandbox import Runner


def check_low_precision(device: str, autocast_dtype: str) -> str | None:
    """Say what is wrong with a device's 16-bit arithmetic; None where nothing is. Imports torch when called.

    Args:
        device: as torch names it.
        autocast_dtype: `float16` or `bfloat16`.
    """
    from tasks.engine.devices.low_precision_check import check_low_precision  # noqa: PLC0415  # torch takes three seconds

    return check_low_precision(device, autocast_dtype)


def recompute(
    samples: NDArray[np.float32], plan: DevicePlan, parameters: Parameters, choose: Choice, progress: Progress
) -> Recomputed | None:
    """Run the networks on chosen windows (`inference.recomputation.recompute`). Imports torch when called."""
    from tasks.engine.inference.recomputation import recompute  # noqa: PLC0415  # torch takes three seconds

    return recompute(samples, plan, parameters, choose, progress)


def utc_now() -> datetime:
    """Tell the time, for the manifest."""
    return datetime.now(UTC)


def no_progress(_stage: str, _done: int, _total: int) -> None:
    """Discard reports of progress."""


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Everything from outside that a run uses; by default the real thing.

    Attributes:
        run_probe: runs the process that reads a file in the sandbox.
        run_ffmpeg: runs a command in the sandbox.
        device_facts: probes the devices of this machine.
        check_low_precision: checks 16-bit arithmetic, by device and dtype.
        diarizer: runs the networks.
        recompute: runs the networks on some windows of a file.
        preload: starts to load the networks of a model set for a plan, beside whatever follows.
        explainer: locates a drift.
        now: tells the time.
        progress: takes (stage, done, total).
    """

    run_probe: Runner = sandbox.run
    run_ffmpeg: Runner = sandbox.run
    device_facts: Callable[[], DeviceFacts] = facts.probe
    check_low_precision: Callable[[str, str], str | None] = check_low_precision
    diarizer: Diarizer = diarize
    recompute: Recomputer = recompute
    preload: Callable[[str, DevicePlan], None] = preload
    explainer: Explainer = patching.explain
    now: Callable[[], datetime] = utc_now
    progress: Progress = field(default=no_progress)


_CURRENT: ContextVar[Dependencies] = ContextVar("dependencies")


def current_dependencies() -> Dependencies:
    """Return the dependencies of this run: the real ones, unless the caller set others."""
    return _CURRENT.get(None) or Dependencies()


@contextmanager
def use_dependencies(dependencies: Dependencies) -> Iterator[None]:
    """Let flows started in this block use these dependencies: a flow's own parameters are a form for people."""
    token = _CURRENT.set(dependencies)
    try:
        yield
    finally:
        _CURRENT.reset(token)

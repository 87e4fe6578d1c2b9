"""The flow of one video for `scale_out.py`: a machine that believes it has a GPU, and leaves marks of its inferences.

There is no GPU: what is planned on one is computed on the CPU, by the real models or by a script. Everything else is
real, the place on the GPU (`tasks/orchestration/gpu_slot.py`) included.
"""

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

from prefect import flow

from flows import audio_analysis as one_video
from tasks.engine.core.exception_map import device_failures
from tasks.engine.core.turns import Turn
from tasks.engine.dependencies import Dependencies, use_dependencies
from tasks.engine.inference.diarizer import diarize
from tasks.engine.inference.types import Diarization
from tasks.engine.testing import ONE_GPU, ScriptedDiarizer, no_patching, nothing_to_load, sound_low_precision

MARKS = Path(os.environ.get("SCALE_OUT_MARKS", "marks"))
SCRIPTED_SEC = 2.0
"""How long a scripted inference takes: long enough to be killed in."""
COMPANY = int(os.environ.get("SCALE_OUT_COMPANY", "1"))
"""A scripted inference on the GPU holds its place until so many runs have begun: runs that take turns show nothing."""
COMPANY_SEC = 120.0
"""How long it waits for them: the next run may need a slow machine's half minute to start."""


def mark(event: str, **facts: Any) -> None:  # noqa: ANN401
    """Append a line, whole, whoever else does."""
    line = json.dumps({"t": time.time(), "pid": os.getpid(), "event": event, **facts}) + "\n"
    handle = os.open(MARKS, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, line.encode())
    os.close(handle)


def arrive() -> None:
    """Write down that another run has begun."""
    with arrivals().open("a", encoding="utf-8") as file:
        file.write(f"{os.getpid()}\n")


def arrivals() -> Path:
    """One line for each run that has begun."""
    return MARKS.with_suffix(".runs")


def wait_for_company() -> None:
    """Until enough runs have begun, or never will."""
    until = time.monotonic() + COMPANY_SEC
    while len(arrivals().read_text(encoding="utf-8").splitlines()) < COMPANY and time.monotonic() < until:
        time.sleep(0.1)


@contextmanager
def watched(device: str, samples: str) -> Iterator[None]:
    """Mark an inference; on the GPU a lock of the operating system tells whether somebody else is at it."""
    with MARKS.with_suffix(".lock").open("a") as lock:
        if device != "cpu":
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                mark("overlap", device=device, samples=samples)
        mark("begin", device=device, samples=samples)
        yield
        mark("end", device=device, samples=samples)


def marked(*arguments: Any) -> Diarization:  # noqa: ANN401  # as `Diarizer`
    """Compute on the CPU what was planned for either device, and say so in the marks."""
    samples, plan, parameters, progress = arguments
    if os.environ.get("SCALE_OUT_GPU_FAILS") and plan.device != "cpu":
        with device_failures():
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
    with watched(plan.device, hashlib.sha256(samples.tobytes()).hexdigest()[:12]):
        if os.environ.get("SCALE_OUT_SCRIPTED"):
            if plan.device != "cpu":
                wait_for_company()
                time.sleep(SCRIPTED_SEC)
            return ScriptedDiarizer((Turn(0.5, 2.0, "A"), Turn(1.5, 2.8, "B")))(*arguments)
        found = diarize(samples, plan.as_reference(), parameters, progress)
    return replace(found, facts={**found.facts, "device": plan.device, "device_name": plan.device_name})


@flow(name="step4-audio-analysis", persist_result=False)
@wraps(one_video.audio_analysis.fn)  # whatever the form asks is taken
def audio_analysis(*arguments: Any, **options: Any) -> None:  # noqa: ANN401
    """`step4-audio-analysis` on the machine described above."""
    arrive()
    world = Dependencies(
        device_facts=lambda: ONE_GPU,
        diarizer=marked,
        explainer=no_patching,
        check_low_precision=sound_low_precision,
        preload=nothing_to_load,
    )
    with use_dependencies(world):
        one_video.audio_analysis.fn(*arguments, **options)

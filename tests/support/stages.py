"""What stages take, for tests that call them one by one: a run, its samples and its inferences; no media is decoded."""

import threading
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from profiles.settings import Configuration
from tasks.device import plan_device
from tasks.diarize import diarize
from tasks.engine.core.frames import FrameGrid
from tasks.engine.core.turns import Turn
from tasks.engine.devices.facts import DeviceFacts
from tasks.engine.media.containers import AudioTrack, Media
from tasks.engine.media.decode import Samples
from tasks.engine.system.atomic import make_folder, sha256_of
from tasks.engine.testing import CPU_ONLY, ONE_GPU, ScriptedDiarizer
from tasks.inference_job import InferenceJob, Outcome
from tasks.run import Run, StagedTimeline
from tasks.timeline import build_timeline

SECONDS = 5
TURNS = (Turn(0.5, 2.0, "SPEAKER_00"), Turn(1.8, 3.5, "SPEAKER_01"))
MODELS = {"model.bin": "0" * 64}
PATIENCE_SEC = 60
"""Longest wait for another thread: only a defect lets it pass."""


def media(video: Path) -> Media:
    """What a probe would say of a five-second video of these bytes; the file is written where there is none."""
    make_folder(video.parent)
    if not video.exists():
        video.write_bytes(b"moving pictures")
    track = AudioTrack(1, "aac", 44100, 1, 0.0, float(SECONDS), 0.0)
    status = video.stat()
    return Media(
        path=video,
        size=status.st_size,
        sha256=sha256_of(video),
        container="mov,mp4",
        grid=FrameGrid(25 * SECONDS, Fraction(25)),
        variable_frame_rate=False,
        fps_assumed=False,
        video_start=0.0,
        audio=track,
        corrupt_packets=0,
        modified_ns=status.st_mtime_ns,
    )


def run_of(video: Path, *, gpu: bool = False, facts: DeviceFacts | None = None, **settings: Any) -> Run:
    """The run of a video under these settings, published in its folder, on a machine with or without a GPU."""
    machine = facts or (ONE_GPU if gpu else CPU_ONLY)
    configuration = Configuration.resolve(settings)
    return Run(media(video), machine, plan_device(configuration, machine), configuration, MODELS, video.parent)


def silence(run: Run) -> Samples:
    """The run's samples, where a run keeps them; scripted networks do not listen."""
    make_folder(run.staging)
    np.zeros(SECONDS * 16000, dtype="<f4").tofile(run.samples_path)
    return Samples(run.samples_path, SECONDS * 16000, sha256_of(run.samples_path))


def job_of(run: Run, diarizer: Any = None, **changes: Any) -> InferenceJob:
    """The candidate's inference of a run; the store names results by plan."""
    fields: dict[str, Any] = {
        "role": "candidate",
        "plan": run.plan,
        "samples": lambda: np.zeros(SECONDS * 16000, dtype=np.float32),
        "parameters": run.parameters,
        "store": run.store,
        "name_of": lambda plan: run.inference_name(plan, "samples"),
        "diarizer": diarizer or ScriptedDiarizer(TURNS),
        "progress": lambda *_: None,
    }
    return InferenceJob(**fields | changes)


def inferred(run: Run, turns: tuple[Turn, ...] = TURNS, **changes: Any) -> Outcome:
    """What the run's device says of the video."""
    return diarize(job_of(run, ScriptedDiarizer(turns), **changes))


def staged(run: Run, outcome: Outcome, name: str = "candidate") -> StagedTimeline:
    """The timeline of an outcome in the run's staging area."""
    return build_timeline(run, outcome, None, name)


class Gate:
    """Where one thread waits until another has come by."""

    def __init__(self) -> None:
        self.event = threading.Event()

    def open(self) -> None:
        """Let everybody through, from now on."""
        self.event.set()

    def wait(self) -> None:
        """Wait, but not for ever."""
        assert self.event.wait(PATIENCE_SEC), "the other thread never came"

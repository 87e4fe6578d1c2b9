"""Real speech for tests: the recording that pyannote.audio ships, and clips with references where they are at hand."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.engine.devices.plan import DevicePlan
from tasks.engine.media.sample import recording, recording_path

CLIPS = os.environ.get("STEP4_CLIPS")
"""Folder of NAME.wav (16 kHz mono float) with NAME.rttm; not part of the project."""


def reference_annotation() -> Any:  # pyannote ships no types
    """Who really speaks when in the shipped recording."""
    from pyannote.database.util import load_rttm

    return next(iter(load_rttm(recording_path().with_suffix(".rttm")).values()))


def available_clips() -> dict[str, NDArray[np.float32]]:
    """The shipped recording and every clip at hand: name to (samples,) float32."""
    from scipy.io import wavfile

    more = sorted(Path(CLIPS).glob("*.wav")) if CLIPS else []
    return {"sample": recording()} | {path.stem: wavfile.read(path)[1] for path in more}


def cpu_plan(
    precision: str = "fp32", *, level: str = "rms", batch_size: int = 4, autocast_dtype: str = "float16"
) -> DevicePlan:
    """A plan for the CPU of the machine that runs the tests."""
    return DevicePlan(
        "cpu", "cpu", "CPU", precision, autocast_dtype, batch_size, os.cpu_count() or 1, level, "none", "a test"
    )


def with_stock_front_end(network: Any) -> Any:  # pyannote ships no types
    """A copy of a segmentation network with pyannote's own SincNet, which takes one window after the other."""
    from copy import deepcopy

    from pyannote.audio.models.blocks.sincnet import SincNet

    found, layers = deepcopy(network), network.sincnet
    plain = SincNet(layers.sample_rate, layers.stride)
    plain.conv1d[0] = deepcopy(layers.conv1d[0])
    plain.load_state_dict(layers.state_dict())
    found.sincnet = plain
    return found.eval()

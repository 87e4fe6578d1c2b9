"""What the networks say of real speech, computed once for the tests of later stages."""

from typing import Any

import numpy as np
import pytest
import torch
from speech import available_clips

from tasks.engine.inference import loading
from tasks.engine.inference.level import gain


@pytest.fixture(scope="session")
def stages() -> dict[str, Any]:
    """What the networks say of every clip at hand, joined: windows' decisions and embeddings."""
    pipeline = loading.load("offline")
    samples = np.concatenate(list(available_clips().values()))
    kept: dict[str, Any] = {}
    pipeline.gain, pipeline.workers = gain(samples), 2
    file = {"waveform": torch.from_numpy(samples)[None], "sample_rate": 16000, "uri": "test"}
    pipeline(
        file, hook=lambda name, found, completed=None, **_: kept.update({name: found} if completed is None else {})
    )
    return kept

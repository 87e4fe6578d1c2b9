"""Windows through the networks: chosen ones alone, and outputs that are given instead."""

import numpy as np
import pytest
import torch
from speech import cpu_plan, recording

from tasks.engine.inference.diarizer import pipeline_on
from tasks.engine.inference.types import Parameters

pytestmark = pytest.mark.slow


def test_chosen_windows_begin_where_they_do_in_the_file() -> None:
    """Their first samples are those of the same windows among all; a run afterwards has all of them again."""
    file = {"waveform": torch.from_numpy(recording())[None]}
    with pipeline_on(cpu_plan(), Parameters()) as pipeline:
        everything = pipeline.starts_of(file)
        pipeline.chosen = np.array([0, 7, 20])

        assert pipeline.starts_of(file) == [everything[0], everything[7], everything[20]]
    with pipeline_on(cpu_plan(), Parameters()) as pipeline:
        assert pipeline.starts_of(file) == everything

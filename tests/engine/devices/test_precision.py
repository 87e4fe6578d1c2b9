"""One arithmetic policy: filters that every device shares, layers that stay in FP32."""

import numpy as np
import pytest
import torch
from speech import recording

from tasks.engine.core.choices import Precision
from tasks.engine.devices.precision import Arithmetic
from tasks.engine.inference import loading
from tasks.engine.inference.exact import ExactSpeakerDiarization
from tasks.engine.models.sincnet import FixedFilters

pytestmark = pytest.mark.slow

WINDOW = 160_000


def pipeline_in(precision: Precision) -> ExactSpeakerDiarization:
    """A fresh pipeline, prepared for a precision on the CPU."""
    pipeline = loading.load("offline")
    pipeline.compute_as(Arithmetic(precision, torch.device("cpu")))
    return pipeline


def test_naive_precision_keeps_the_network_as_it_came() -> None:
    """The incident must stay reproducible: its filters are made anew, under autocast."""
    first = pipeline_in(Precision.NAIVE).segmentation_network.sincnet.conv1d[0]

    assert not isinstance(first, FixedFilters)


def test_mixed_precision_segments_in_fp32() -> None:
    """Scores and decisions under mixed precision are those of FP32, bit for bit: only embeddings are in half."""
    file = {"waveform": torch.from_numpy(recording()[: 2 * WINDOW].copy())[None], "sample_rate": 16000, "uri": "test"}
    outputs = {}
    for precision in (Precision.FP32, Precision.MIXED):
        pipeline = pipeline_in(precision)
        decisions = pipeline.get_segmentations(file)
        outputs[precision] = (decisions.data, pipeline.speech_scores.values)

    for exact, mixed in zip(*outputs.values(), strict=True):
        assert np.array_equal(exact, mixed)

"""One arithmetic policy: filters that every device shares, layers that stay in FP32."""

import copy

import numpy as np
import pytest
import torch
from pyannote.audio import Model
from speech import recording
from torch import nn

from tasks.engine.core.choices import Precision
from tasks.engine.devices.precision import Arithmetic
from tasks.engine.inference import loading
from tasks.engine.inference.exact import ExactSpeakerDiarization
from tasks.engine.models import registry
from tasks.engine.models.sincnet import FixedFilters, fix_filters

pytestmark = pytest.mark.slow

WINDOW = 160_000


@pytest.fixture(scope="module")
def stock() -> nn.Module:
    """segmentation-3.0 as pyannote.audio loads it."""
    loading.allow_pyannote_checkpoints()
    return Model.from_pretrained(str(registry.models_folder() / registry.SEGMENTATION.file)).eval()


def windows() -> torch.Tensor:
    """(2, 1, samples): as recorded and 60 dB quieter."""
    first = torch.from_numpy(recording()[7 * 16000 :][:WINDOW].copy())
    return torch.stack([first, first * 1e-3])[:, None]


def test_fixed_filters_change_no_bit_on_the_cpu(stock: nn.Module) -> None:
    """Filters computed once give stock pyannote's own scores, bit for bit; fixing them twice changes nothing."""
    fixed = copy.deepcopy(stock)
    fix_filters(fixed)
    fix_filters(fixed)

    with torch.inference_mode():
        assert torch.equal(fixed(windows()), stock(windows()))
    assert isinstance(fixed.sincnet.conv1d[0], FixedFilters)


def test_filters_do_not_depend_on_autocast(stock: nn.Module) -> None:
    """Prepared inside an autocast block, the filters are still those of FP32: half precision would ruin them."""
    prepared = copy.deepcopy(stock)
    expected = stock.sincnet.conv1d[0].filterbank.filters()

    with torch.autocast("cpu", dtype=torch.bfloat16):
        ruined = stock.sincnet.conv1d[0].filterbank.filters()
        fix_filters(prepared)

    assert torch.equal(prepared.sincnet.conv1d[0].filters, expected)
    assert (ruined - expected).abs().max() > 0.01


def pipeline_in(precision: Precision) -> ExactSpeakerDiarization:
    """A fresh pipeline, prepared for a precision on the CPU."""
    pipeline = loading.load("offline")
    pipeline.compute_as(Arithmetic(precision, torch.device("cpu")))
    return pipeline


def test_naive_precision_keeps_the_network_as_it_came() -> None:
    """The incident must stay reproducible: its filters are made anew, under autocast."""
    first = pipeline_in(Precision.NAIVE)._segmentation.model.sincnet.conv1d[0]

    assert not isinstance(first, FixedFilters)


def test_mixed_precision_segments_in_fp32() -> None:
    """Scores and decisions under mixed precision are those of FP32, bit for bit: only embeddings are in half."""
    file = {"waveform": torch.from_numpy(recording()[: 2 * WINDOW].copy())[None], "sample_rate": 16000, "uri": "test"}
    found = {}
    for precision in (Precision.FP32, Precision.MIXED):
        pipeline = pipeline_in(precision)
        decisions = pipeline.get_segmentations(file)
        found[precision] = (decisions.data, pipeline.speech_scores.values)

    for one, other in zip(*found.values(), strict=True):
        assert np.array_equal(one, other)

"""One arithmetic policy: filters that every device shares, layers that stay in FP32."""

import copy

import pytest
import torch
from pyannote.audio import Model
from speech import recording
from torch import nn

from tasks.engine import models
from tasks.engine.precision import FixedFilters, KeepFp32, Precision, prepare

pytestmark = pytest.mark.slow

WINDOW = 160_000


@pytest.fixture(scope="module")
def stock() -> nn.Module:
    """segmentation-3.0 as pyannote.audio loads it."""
    models.allow_pyannote_checkpoints()
    return Model.from_pretrained(str(models.models_folder() / models.SEGMENTATION.file)).eval()


def windows() -> torch.Tensor:
    """(2, 1, samples): as recorded and 60 dB quieter."""
    first = torch.from_numpy(recording()[7 * 16000 :][:WINDOW].copy())
    return torch.stack([first, first * 1e-3])[:, None]


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.MIXED])
def test_fixed_filters_change_no_bit_on_the_cpu(stock: nn.Module, precision: Precision) -> None:
    """Filters computed once give stock pyannote's own scores, bit for bit; preparing twice changes nothing."""
    prepared = copy.deepcopy(stock)
    prepare(prepared, precision)
    prepare(prepared, precision)

    with torch.inference_mode():
        assert torch.equal(prepared(windows()), stock(windows()))
    assert isinstance(prepared.sincnet.conv1d[0], FixedFilters)


def test_filters_do_not_depend_on_autocast(stock: nn.Module) -> None:
    """Prepared inside an autocast block, the filters are still those of FP32: half precision would ruin them."""
    prepared = copy.deepcopy(stock)
    expected = stock.sincnet.conv1d[0].filterbank.filters()

    with torch.autocast("cpu", dtype=torch.bfloat16):
        ruined = stock.sincnet.conv1d[0].filterbank.filters()
        prepare(prepared, Precision.FP32)

    assert torch.equal(prepared.sincnet.conv1d[0].filters, expected)
    assert (ruined - expected).abs().max() > 0.01


def test_naive_precision_keeps_the_network_as_it_came(stock: nn.Module) -> None:
    """The incident must stay reproducible: nothing is fixed, nothing is exempt."""
    prepared = copy.deepcopy(stock)
    prepare(prepared, Precision.NAIVE)

    assert not any(isinstance(layer, FixedFilters | KeepFp32) for layer in prepared.modules())

"""The front end filters a stretch once for all windows on it: same features as stock, whatever the audio."""

import copy
from collections.abc import Callable

import pytest
import torch
from pyannote.audio import Model
from speech import recording, with_stock_front_end

from tasks.engine.inference import loading
from tasks.engine.inference.windows import cut_windows
from tasks.engine.models import registry
from tasks.engine.models.sincnet import FixedFilters, OverlappingSincNet, fix_filters

pytestmark = pytest.mark.slow

WINDOW, STEP, SIZE = 160_000, 16_000, 4
ALTERED: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "as recorded": lambda audio: audio,
    "60 dB quieter": lambda audio: audio * 1e-3,
    "with a DC offset": lambda audio: audio + 0.3,
    "digital silence within": lambda audio: torch.cat([audio[:, :70_000], audio[:, 70_000:] * 0], dim=1),
    "clipped": lambda audio: (audio * 50).clamp(-1, 1),
}


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    """The segmentation network as a run uses it, its filters fixed."""
    network: torch.nn.Module = loading.load("offline").segmentation_network.eval()
    fix_filters(network)
    return network


@pytest.mark.parametrize("alter", ALTERED.values(), ids=ALTERED)
def test_views_give_the_features_of_separate_windows(
    network: torch.nn.Module, alter: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    """Filtering once gives the features of exact arithmetic within 3e-5; window by window, stock is up to 3e-4 off."""
    audio = alter(torch.from_numpy(recording())[None])
    views = cut_windows(audio, [i * STEP for i in range(SIZE)], WINDOW, SIZE, gain=1.0)

    with torch.inference_mode():
        exact = with_stock_front_end(network).double().sincnet(views.double().contiguous())
        together = (network.sincnet(views) - exact).abs().max()

    assert together <= 3e-5


def test_one_convolution_serves_all_windows(network: torch.nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    """The filters see a batch of overlapping windows as one stretch, and separate windows as they are."""
    seen = []
    convolve = FixedFilters.forward

    def recorded(layer: FixedFilters, waveform: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(waveform.shape))
        return convolve(layer, waveform)

    monkeypatch.setattr(FixedFilters, "forward", recorded)
    audio = torch.from_numpy(recording())[None]
    even = cut_windows(audio, [0, STEP, 2 * STEP], WINDOW, SIZE, gain=1.0)
    uneven = cut_windows(audio, [0, STEP, 3 * STEP], WINDOW, SIZE, gain=1.0)
    between_frames = cut_windows(audio, [0, STEP + 3], WINDOW, 2, gain=1.0)

    with torch.inference_mode():
        for batch in (even, uneven, between_frames):
            network.sincnet(batch)

    assert isinstance(network.sincnet, OverlappingSincNet)
    assert seen == [(1, WINDOW + 3 * STEP), (SIZE, 1, WINDOW), (2, 1, WINDOW)]


@pytest.fixture(scope="module")
def stock() -> torch.nn.Module:
    """segmentation-3.0 as pyannote.audio loads it."""
    loading.allow_pyannote_checkpoints()
    return Model.from_pretrained(str(registry.models_folder() / registry.SEGMENTATION.file)).eval()


def windows() -> torch.Tensor:
    """(2, 1, samples): as recorded and 60 dB quieter."""
    first = torch.from_numpy(recording()[7 * 16000 :][:WINDOW].copy())
    return torch.stack([first, first * 1e-3])[:, None]


def test_fixed_filters_change_no_bit_on_the_cpu(stock: torch.nn.Module) -> None:
    """Filters computed once give stock pyannote's own scores, bit for bit; fixing them twice changes nothing."""
    fixed = copy.deepcopy(stock)
    fix_filters(fixed)
    fix_filters(fixed)

    with torch.inference_mode():
        assert torch.equal(fixed(windows()), stock(windows()))
    assert isinstance(fixed.sincnet.conv1d[0], FixedFilters)


def test_filters_do_not_depend_on_autocast(stock: torch.nn.Module) -> None:
    """Prepared inside an autocast block, the filters are still those of FP32: half precision would ruin them."""
    prepared = copy.deepcopy(stock)
    expected = stock.sincnet.conv1d[0].filterbank.filters()

    with torch.autocast("cpu", dtype=torch.bfloat16):
        ruined = stock.sincnet.conv1d[0].filterbank.filters()
        fix_filters(prepared)

    assert torch.equal(prepared.sincnet.conv1d[0].filters, expected)
    assert (ruined - expected).abs().max() > 0.01

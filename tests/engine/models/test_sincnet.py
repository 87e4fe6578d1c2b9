"""The front end filters a stretch once for all windows on it: same features as stock, whatever the audio."""

from collections.abc import Callable

import pytest
import torch
from speech import recording, with_stock_front_end

from tasks.engine.inference import loading
from tasks.engine.inference.windows import cut_windows
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
    network = loading.load("offline")._segmentation.model.eval()
    fix_filters(network)
    found: torch.nn.Module = network
    return found


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


def test_windows_are_the_same_samples_either_way() -> None:
    """Even or uneven starts: each row is its piece of the audio, amplified; beyond the end there is silence."""
    audio = torch.arange(1.0, 41.0)[None]
    for starts in ([0, 10, 20], [0, 5, 20], [30], [5, 15]):
        batch = cut_windows(audio, starts, 20, 3, gain=2.0)
        assert batch.shape == (3, 1, 20)
        for row, start in enumerate(starts):
            expected = torch.nn.functional.pad(2 * audio[0, start : start + 20], (0, max(0, start + 20 - 40)))
            assert torch.equal(batch[row, 0], expected)

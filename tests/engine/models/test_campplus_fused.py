"""The fused network is the network: the same embeddings, but for rounding."""

import pytest
import torch
from speech import recording
from torch import nn

from tasks.engine.inference import loading
from tasks.engine.inference.exact import ExactSpeakerDiarization
from tasks.engine.models.campplus_fused import Convolution, FusedCampPlus, fuse


@pytest.fixture(scope="module")
def offline() -> ExactSpeakerDiarization:
    """The offline model set."""
    return loading.load("offline")


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [1.0, 2.345, 10.0])
def test_the_fused_network_is_the_network(offline: ExactSpeakerDiarization, seconds: float) -> None:
    """Batch norms fused, channels last, one buffer per block: the same embeddings within 1e-5."""
    model = offline.embedding_network
    waveform = torch.from_numpy(recording()[None, None, : int(seconds * 16000)])
    with torch.inference_mode():
        fbank = model.compute_fbank(waveform.expand(2, -1, -1))
        expected, frames = model.resnet.forward_frames(fbank), FusedCampPlus(model.resnet)(fbank)
        assert frames.shape == expected.shape
        exact, fused = model.forward_embedding(expected), model.forward_embedding(frames)

    assert (fused - exact).abs().max() < 1e-5


@pytest.mark.slow
def test_the_fused_network_in_bf16_is_near_it_and_leaves_it_alone(offline: ExactSpeakerDiarization) -> None:
    """BF16 carries 8 bits: embeddings within 0.001 in cosine distance; the network that it is made from stays."""
    model = offline.embedding_network
    with torch.inference_mode():
        fbank = model.compute_fbank(torch.from_numpy(recording()[None, None, :160000]))
        expected = model.resnet.forward_frames(fbank)
        frames = FusedCampPlus(model.resnet, torch.bfloat16)(fbank)
        rough, exact = (model.forward_embedding(each.float()) for each in (frames, expected))

    assert frames.dtype is torch.bfloat16
    assert 0 < 1 - float(torch.cosine_similarity(rough, exact)) < 1e-3
    assert {weight.dtype for weight in model.resnet.parameters()} == {torch.float32}


def trained(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> nn.BatchNorm1d | nn.BatchNorm2d:
    """A batch norm with statistics and weights as after a training."""
    with torch.no_grad():
        for values in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
            values.uniform_(0.5, 2.0)  # type: ignore[union-attr]  # a trained norm has them all
    return norm.eval()


@pytest.mark.parametrize("around", ["before", "after", "both", "none"])
def test_a_fused_convolution_is_the_convolution_between_its_norms(around: str) -> None:
    """Norm and ReLU in front, norm behind, one of them or neither: equal within FP32's rounding."""
    torch.manual_seed(0)
    layer = nn.Conv1d(6, 4, 3, padding=2, dilation=2)
    before = trained(nn.BatchNorm1d(6)) if around in {"before", "both"} else None
    after = trained(nn.BatchNorm1d(4)) if around in {"after", "both"} else None
    x = torch.randn(2, 6, 50)
    with torch.inference_mode():
        expected = layer(before(x).relu()) if before else layer(x)
        expected = after(expected) if after else expected
        fused = Convolution(layer, before, after)(x[:, :, None])[:, :, 0]

    torch.testing.assert_close(fused, expected, rtol=1e-5, atol=1e-5)


def test_an_untrained_norm_is_refused() -> None:
    """Without running statistics a norm depends on the batch: there is nothing to fuse."""
    norm = nn.BatchNorm1d(4, track_running_stats=False)
    with pytest.raises(ValueError, match="cannot be fused"):
        fuse(torch.ones(4, 4, 1).double(), torch.zeros(4).double(), norm)

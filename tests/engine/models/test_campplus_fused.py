"""The fused network is the network: the same embeddings, but for rounding."""

import pytest
import torch
from speech import recording

from tasks.engine.inference import loading
from tasks.engine.inference.exact import ExactSpeakerDiarization
from tasks.engine.models.campplus_fused import FusedCampPlus


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

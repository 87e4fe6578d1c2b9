"""The frame-level encoder: fused where that serves, plain elsewhere, and an embedding for who says nothing."""

import pytest
import torch
from networks import trained
from pyannote.audio.models.embedding import WeSpeakerResNet34

from tasks.engine.core.choices import Precision
from tasks.engine.devices.precision import Arithmetic
from tasks.engine.models.campplus import CampPlus
from tasks.engine.models.frame_encoder import FrameEncoder

CPU = torch.device("cpu")
AUDIO = torch.linspace(-900, 900, 4000).sin()[None, None].repeat(2, 1, 1)
"""(2, 1, samples): a quarter of a second of a tone, twice."""


@pytest.fixture(scope="module", params=["campplus", "resnet"])
def encoder(request: pytest.FixtureRequest) -> FrameEncoder:
    """CAM++, and WeSpeaker's ResNet34, with random weights."""
    torch.manual_seed(0)
    return FrameEncoder(CampPlus().eval() if request.param == "campplus" else trained(WeSpeakerResNet34()))


def encoded(encoder: FrameEncoder, precision: Precision, dtype: torch.dtype = torch.bfloat16) -> torch.Tensor:
    """Frames of the audio in one arithmetic."""
    arithmetic = Arithmetic(precision, CPU, dtype)
    with torch.inference_mode(), arithmetic.sensitive():
        return encoder.frames(AUDIO, arithmetic)


def test_fp32_is_fused_and_equal_but_for_rounding(encoder: FrameEncoder) -> None:
    """On a CPU, FP32 takes the fused layers, made once: the plain network's frames within 1e-4 of the largest."""
    with torch.inference_mode():
        expected = encoder.model.resnet.forward_frames(encoder.model.compute_fbank(AUDIO))
    frames = encoded(encoder, Precision.FP32)

    assert frames.dtype is torch.float32
    assert (frames - expected).abs().max() <= 1e-4 * expected.abs().max()
    assert encoder.fused(torch.float32) is encoder.fused(torch.float32)


@pytest.mark.parametrize(
    ("precision", "dtype", "output"),
    [
        (Precision.MIXED, torch.bfloat16, torch.float32),
        (Precision.MIXED, torch.float16, torch.float32),
        (Precision.NAIVE, torch.bfloat16, torch.bfloat16),
    ],
)
def test_what_leaves_the_encoder_is_fp32_unless_naive(
    encoder: FrameEncoder, precision: Precision, dtype: torch.dtype, output: torch.dtype
) -> None:
    """Sixteen bits end at the encoder under mixed precision; under the naive one they go on into pooling."""
    frames, exact = encoded(encoder, precision, dtype), encoded(encoder, Precision.FP32)

    assert frames.dtype is output
    assert not torch.equal(frames.float(), exact)


def test_who_says_nothing_has_one_embedding_whatever_the_audio(encoder: FrameEncoder) -> None:
    """An empty mask pools to zero statistics: known without audio, from any shape of frames, in every arithmetic."""
    arithmetic = Arithmetic(Precision.FP32, CPU)
    frames = encoded(encoder, Precision.FP32)
    with torch.inference_mode():
        pooled = encoder.model.forward_embedding(frames, weights=torch.zeros(2, 1, frames.shape[-1]))[:, 0]
    idle = encoder.idle_embedding(arithmetic)

    assert idle.shape == (encoder.model.dimension,)
    assert torch.equal(pooled, idle.expand(2, -1))
    assert torch.equal(encoder.idle_embedding(arithmetic, tuple(frames[0].shape)), idle)


def test_frames_that_do_not_divide_the_step_are_computed_in_between(encoder: FrameEncoder) -> None:
    """80 ms of a ResNet in a step of 1 s, and none in 0.96 s; CAM++ has one phase, whatever the step."""
    resnet = isinstance(encoder.model, WeSpeakerResNet34)

    assert encoder.phases(16000, 1280) == (2 if resnet else 1)
    assert encoder.phases(15360, 1280) == 1


@pytest.mark.parametrize("precision", list(Precision))
def test_frames_in_between_leave_the_others_as_they_are(encoder: FrameEncoder, precision: Precision) -> None:
    """Fused or not, in every precision: twice as many frames, every second one as before."""
    if not isinstance(encoder.model, WeSpeakerResNet34):
        return
    arithmetic = Arithmetic(precision, CPU, torch.bfloat16)
    with torch.inference_mode(), arithmetic.sensitive():
        once, twice = (encoder.frames(AUDIO, arithmetic, phases) for phases in (1, 2))

    assert twice.shape[-1] in {2 * once.shape[-1], 2 * once.shape[-1] - 1}
    torch.testing.assert_close(twice[..., ::2], once)

"""The fused ResNet is the ResNet, but for rounding; frames in between are those of audio half a frame later."""

import pytest
import torch
from networks import trained
from pyannote.audio.models.embedding.wespeaker.resnet import BasicBlock, Bottleneck, ResNet
from torch import nn

from tasks.engine.models.resnet_fused import PHASES, FusedResNet, stock_frames

MEL, HALF = 16, 4
"""Bins of the filter bank; half a frame of the network, in frames of the filter bank."""


def network(block: type[nn.Module] = BasicBlock) -> ResNet:
    """A small ResNet with random weights and norms that do something."""
    torch.manual_seed(0)
    return trained(ResNet(block, [1, 2, 1, 1], m_channels=4, feat_dim=MEL, embed_dim=8, two_emb_layer=False))


def fbank(frames: int = 197) -> torch.Tensor:
    """(2, frames, mel) of noise."""
    return torch.randn(2, frames, MEL, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("block", [BasicBlock, Bottleneck])
@torch.inference_mode()
def test_the_fused_network_is_the_network(block: type[nn.Module]) -> None:
    """Of both kinds of block that WeSpeaker has: the same frames within 1e-5 of the largest."""
    resnet = network(block)
    expected = resnet.forward_frames(fbank())
    frames = FusedResNet(resnet)(fbank())

    assert frames.is_contiguous()
    torch.testing.assert_close(frames, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
    assert torch.equal(stock_frames(resnet, fbank()), expected)


@torch.inference_mode()
def test_the_fused_network_in_bf16_is_near_it_and_leaves_it_alone() -> None:
    """BF16 carries 8 bits: frames point the same way; the network that it is made from stays FP32."""
    resnet = network()
    expected = resnet.forward_frames(fbank())
    frames = FusedResNet(resnet, torch.bfloat16)(fbank())

    assert frames.dtype is torch.bfloat16
    assert 0 < 1 - float(torch.cosine_similarity(frames.float().flatten(), expected.flatten(), dim=0)) < 1e-3
    assert {weight.dtype for weight in resnet.parameters()} == {torch.float32}


@pytest.mark.parametrize("frames", [196, 197, 200, 203])
@torch.inference_mode()
def test_frames_in_between_are_those_of_audio_half_a_frame_later(frames: int) -> None:
    """Every second one is the network's own; the others are what it gives for the rest, but at the cut."""
    resnet, audio = network(), fbank(frames)
    own, later = resnet.forward_frames(audio), resnet.forward_frames(audio[:, HALF:])
    near = 1e-5 * float(own.abs().max())
    for both in (FusedResNet(resnet)(audio, PHASES), stock_frames(resnet, audio, PHASES)):
        edge = both[..., 1::2].shape[-1] - later.shape[-1]

        torch.testing.assert_close(both[..., ::2], own, rtol=0, atol=near)
        assert edge in {0, 1}
        inner = slice(8, later.shape[-1] - 8)
        torch.testing.assert_close(both[..., 1::2][..., inner], later[..., inner], rtol=0, atol=near)

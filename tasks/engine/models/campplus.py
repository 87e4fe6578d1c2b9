"""CAM++ speaker embeddings as a pyannote model.

Architecture: Wang et al., "CAM++: A Fast and Efficient Network for Speaker Verification Using Context-Aware Masking"
(Interspeech 2023), https://arxiv.org/abs/2303.00332. Layer names follow the published checkpoint, so that its state
dict loads strictly. The model plugs into pyannote's WeSpeaker interface, which brings the Kaldi filter bank and
weighted statistics pooling, and lets every pipeline that serves WeSpeaker serve CAM++.
"""

from collections import OrderedDict
from typing import Any, cast

import torch
from pyannote.audio.models.blocks.pooling import StatsPool
from pyannote.audio.models.embedding.wespeaker import BaseWeSpeakerResNet
from torch import Tensor, nn
from torch.nn import functional

MEL_BINS = 80
DIMENSION = 192
CONTEXT_SEGMENT = 100
"""Frames per segment of the local context in context-aware masking (paper, section 3.2)."""


class BasicResBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut; strides act on the mel axis only."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, stride=(stride, 1), padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut = nn.Sequential()
        if stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, channels, 1, stride=(stride, 1), bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channels, mel, frames) to (batch, channels, mel / stride, frames)."""
        out = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(out)) + self.shortcut(x))


class ConvolutionHead(nn.Module):
    """The front-end convolution module: (batch, mel, frames) to (batch, channels * mel / 8, frames)."""

    def __init__(self, channels: int = 32) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.layer1 = nn.Sequential(BasicResBlock(channels, 2), BasicResBlock(channels, 1))
        self.layer2 = nn.Sequential(BasicResBlock(channels, 2), BasicResBlock(channels, 1))
        self.conv2 = nn.Conv2d(channels, channels, 3, stride=(2, 1), padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.out_channels = channels * MEL_BINS // 8

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, mel, frames) to (batch, out_channels, frames)."""
        out = functional.relu(self.bn1(self.conv1(x.unsqueeze(1))))
        out = self.layer2(self.layer1(out))
        return functional.relu(self.bn2(self.conv2(out))).flatten(1, 2)


def batchnorm(channels: int, *, relu: bool = True, affine: bool = True) -> nn.Sequential:
    """Batch norm, then ReLU unless told otherwise, under the checkpoint's names."""
    layers: OrderedDict[str, nn.Module] = OrderedDict(batchnorm=nn.BatchNorm1d(channels, affine=affine))
    if relu:
        layers["relu"] = nn.ReLU(inplace=True)
    return nn.Sequential(layers)


class ContextAwareMask(nn.Module):
    """A dilated convolution scaled by a mask made from global and local context (paper, section 3.2)."""

    def __init__(self, in_channels: int, out_channels: int, dilation: int) -> None:
        super().__init__()
        self.linear_local = nn.Conv1d(in_channels, out_channels, 3, padding=dilation, dilation=dilation, bias=False)
        self.linear1 = nn.Conv1d(in_channels, in_channels // 2, 1)
        self.linear2 = nn.Conv1d(in_channels // 2, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, in_channels, frames) to (batch, out_channels, frames)."""
        segments = functional.avg_pool1d(x, CONTEXT_SEGMENT, stride=CONTEXT_SEGMENT, ceil_mode=True)
        # The mask is constant within a segment: make it on the few segments, then spread it over the frames.
        context = functional.relu(self.linear1(x.mean(-1, keepdim=True) + segments))
        mask = torch.sigmoid(self.linear2(context)).repeat_interleave(CONTEXT_SEGMENT, dim=-1)
        return cast(Tensor, self.linear_local(x)) * mask[..., : x.shape[-1]]


class DenseLayer(nn.Module):
    """One layer of a dense block: bottleneck, then context-aware masking."""

    def __init__(self, in_channels: int, dilation: int, growth: int = 32, bottleneck: int = 128) -> None:
        super().__init__()
        self.nonlinear1 = batchnorm(in_channels)
        self.linear1 = nn.Conv1d(in_channels, bottleneck, 1, bias=False)
        self.nonlinear2 = batchnorm(bottleneck)
        self.cam_layer = ContextAwareMask(bottleneck, growth, dilation)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, in_channels, frames) to (batch, growth, frames)."""
        return cast(Tensor, self.cam_layer(self.nonlinear2(self.linear1(self.nonlinear1(x)))))


class DenseBlock(nn.Module):
    """Layers that each see the outputs of all before them."""

    def __init__(self, layers: int, in_channels: int, dilation: int, growth: int = 32) -> None:
        super().__init__()
        for i in range(layers):
            self.add_module(f"tdnnd{i + 1}", DenseLayer(in_channels + i * growth, dilation, growth))

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, in_channels, frames) to (batch, in_channels + layers * growth, frames)."""
        for layer in self.children():
            x = torch.cat((x, layer(x)), dim=1)
        return x


class Transition(nn.Module):
    """Halve the channels between dense blocks."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.nonlinear = batchnorm(in_channels)
        self.linear = nn.Conv1d(in_channels, in_channels // 2, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, in_channels, frames) to (batch, in_channels / 2, frames)."""
        return cast(Tensor, self.linear(self.nonlinear(x)))


class Projection(nn.Module):
    """A convolution, then batch norm: the first layer (time delay) and the last one (embedding) of the network."""

    def __init__(self, linear: nn.Conv1d, nonlinear: nn.Sequential) -> None:
        super().__init__()
        self.linear = linear
        self.nonlinear = nonlinear

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, in_channels, frames) to (batch, out_channels, frames / stride)."""
        return cast(Tensor, self.nonlinear(self.linear(x)))


class CampPlusNetwork(nn.Module):
    """Filter bank to speaker embedding, with the method names that pyannote expects of a WeSpeaker ResNet."""

    embed_dim = DIMENSION

    def __init__(self) -> None:
        super().__init__()
        self.head = ConvolutionHead()
        first = nn.Conv1d(self.head.out_channels, 128, 5, stride=2, padding=2, bias=False)
        stages: OrderedDict[str, nn.Module] = OrderedDict(tdnn=Projection(first, batchnorm(128)))
        channels = 128
        for i, (layers, dilation) in enumerate(((12, 1), (24, 2), (16, 2)), start=1):
            stages[f"block{i}"] = DenseBlock(layers, channels, dilation)
            stages[f"transit{i}"] = Transition(channels + layers * 32)
            channels = (channels + layers * 32) // 2
        stages["out_nonlinear"] = batchnorm(channels)
        last = nn.Conv1d(2 * channels, DIMENSION, 1, bias=False)
        stages["dense"] = Projection(last, batchnorm(DIMENSION, relu=False, affine=False))
        self.xvector = nn.Sequential(stages)
        self.pool = StatsPool()

    def num_frames(self, fbank_frames: int) -> int:
        """Frames for pooling, of a filter bank of so many: the first layer's stride is two."""
        return -(-fbank_frames // 2)

    def forward_frames(self, fbank: Tensor) -> Tensor:
        """Map (batch, fbank_frames, mel) to (batch, channels, frames); frames are half as many."""
        x = self.head(fbank.transpose(1, 2))
        for name, stage in self.xvector.named_children():
            if name != "dense":
                x = stage(x)
        return cast(Tensor, x)

    def forward_embedding(self, frames: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Pool frames under weights.

        Args:
            frames: (batch, channels, frames).
            weights: (batch, any_frames) or (batch, speakers, any_frames), or None for plain pooling.

        Returns:
            A placeholder and (batch, 192) or (batch, speakers, 192): pyannote reads the second of a pair.
        """
        statistics = self.pool(frames, weights=weights)
        flat = statistics.reshape(-1, statistics.shape[-1], 1)
        embeddings = self.xvector.get_submodule("dense")(flat).reshape(*statistics.shape[:-1], DIMENSION)
        return embeddings.new_zeros(()), embeddings

    def forward(self, fbank: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map (batch, fbank_frames, mel), weights as in `forward_embedding`, to the same pair."""
        return self.forward_embedding(self.forward_frames(fbank), weights=weights)


class CampPlus(BaseWeSpeakerResNet):  # type: ignore[misc]  # pyannote ships no types
    """CAM++ as a `pyannote.audio.Model`: waveforms (batch, 1, samples) at 16 kHz to (batch, 192)."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401  # Lightning restores hyperparameters by keyword
        # Kaldi's default window, as in the checkpoint's training recipe (3D-Speaker).
        super().__init__(**{"window_type": "povey", **options})
        self.resnet = CampPlusNetwork()

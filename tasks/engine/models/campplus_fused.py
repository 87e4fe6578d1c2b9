"""CAM++ for a CPU, in FP32 or BF16: the layers of `campplus`, rearranged to touch memory as little as possible.

They are the layers of `fused_layers`; beyond that a dense block writes into one buffer, instead of copying all its
channels once per layer, and the head, whose tensors are largest, takes one window at a time.
"""

from copy import deepcopy
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from tasks.engine.models.campplus import (
    CONTEXT_SEGMENT,
    CampPlusNetwork,
    ContextAwareMask,
    ConvolutionHead,
    DenseBlock,
    DenseLayer,
)
from tasks.engine.models.fused_layers import Convolution, Norm, Residual, by_window


class Head(nn.Module):
    """`ConvolutionHead`, fused: (batch, 1, mel, frames) to (batch, channels, mel / 8, frames)."""

    def __init__(self, head: ConvolutionHead) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            Convolution(head.conv1, after=head.bn1),
            nn.ReLU(inplace=True),
            *(Residual(block) for block in (*head.layer1, *head.layer2)),
            Convolution(head.conv2, after=head.bn2),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        """One window at a time."""
        return by_window(self.layers, x)


class Mask(nn.Module):
    """`ContextAwareMask` for tensors of height 1, written where it is wanted."""

    def __init__(self, layer: ContextAwareMask) -> None:
        super().__init__()
        self.local = Convolution(layer.linear_local)
        self.inner, self.outer = deepcopy((layer.linear1, layer.linear2))

    def forward(self, x: Tensor, out: Tensor) -> None:
        """Map (batch, bottleneck, 1, frames) to (batch, growth, 1, frames), the latter given."""
        segments = functional.avg_pool2d(x, (1, CONTEXT_SEGMENT), ceil_mode=True)
        context = (segments + x.mean(-1, keepdim=True)).squeeze(2)
        mask = torch.sigmoid(self.outer(self.inner(context).relu_())).repeat_interleave(CONTEXT_SEGMENT, dim=-1)
        torch.mul(self.local(x), mask[:, :, None, : x.shape[-1]], out=out)


class Dense(nn.Module):
    """`DenseBlock`, fused: (batch, channels, 1, frames) to (batch, channels + layers * growth, 1, frames)."""

    def __init__(self, block: DenseBlock) -> None:
        super().__init__()
        layers = [layer for layer in block.children() if isinstance(layer, DenseLayer)]
        self.bottlenecks = nn.ModuleList(
            Convolution(layer.linear1, before=norm_of(layer.nonlinear1), after=norm_of(layer.nonlinear2))
            for layer in layers
        )
        self.masks = nn.ModuleList(Mask(layer.cam_layer) for layer in layers)
        self.growth = layers[0].cam_layer.linear_local.out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Each layer reads the channels before its own, all in one buffer."""
        batch, channels, _, frames = x.shape
        whole = channels + len(self.masks) * self.growth
        buffer = torch.empty((batch, whole, 1, frames), dtype=x.dtype, memory_format=torch.channels_last)
        buffer[:, :channels] = x
        for bottleneck, mask in zip(self.bottlenecks, self.masks, strict=True):
            mask(bottleneck(buffer[:, :channels]).relu_(), out=buffer[:, channels : channels + self.growth])
            channels += self.growth
        return buffer


class FusedCampPlus(nn.Module):
    """`CampPlusNetwork.forward_frames` computed in `dtype`, with weights of its own made from the network's."""

    def __init__(self, network: CampPlusNetwork, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        stages: dict[str, Any] = dict(network.xvector.named_children())
        delay, transits = stages["tdnn"], [stages[f"transit{i}"] for i in (1, 2, 3)]
        behind = (None, None, norm_of(stages["out_nonlinear"]))
        mel = delay.linear.in_channels // network.head.conv2.out_channels
        self.head = Head(network.head)
        # The flattened (channel, mel) axis of the time delay layer, unflattened: a kernel over all rows.
        self.delay = Convolution(delay.linear, after=norm_of(delay.nonlinear), height=mel)
        self.blocks = nn.ModuleList(Dense(stages[f"block{i}"]) for i in (1, 2, 3))
        self.transitions = nn.ModuleList(
            Convolution(transit.linear, before=norm_of(transit.nonlinear), after=after)
            for transit, after in zip(transits, behind, strict=True)
        )
        self.dtype = dtype
        self.to(dtype)

    def forward(self, fbank: Tensor) -> Tensor:
        """Map (batch, fbank_frames, mel) to (batch, channels, frames) of the type, contiguous."""
        x = fbank.to(self.dtype).transpose(1, 2)[:, None].contiguous(memory_format=torch.channels_last)
        x = self.delay(self.head(x)).relu_()
        for block, transition in zip(self.blocks, self.transitions, strict=True):
            x = transition(block(x))
        return cast(Tensor, x.relu_().squeeze(2).contiguous())


def norm_of(layer: nn.Module) -> Norm:
    """Find the batch norm of a `batchnorm` block.

    Raises:
        TypeError: it holds none.
    """
    norm = layer.get_submodule("batchnorm")
    if not isinstance(norm, nn.BatchNorm1d):
        raise TypeError(f"{type(norm).__name__} where a batch norm was expected")
    return norm

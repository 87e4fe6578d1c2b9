"""CAM++ for a CPU, in FP32 or BF16: the layers of `campplus`, rearranged to touch memory as little as possible.

Four things, none of which changes a result by more than the rounding of the type:

- Batch norms are fused into the convolutions before them, in float64; those in front are one `addcmul`.
- Tensors are 4-D and channels last, which oneDNN's AVX-512 kernels read without reordering.
- A dense block writes into one buffer, instead of copying all its channels once per layer.
- The head, whose tensors are largest, takes one window at a time.
"""

from copy import deepcopy
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_weights

from tasks.engine.models.campplus import (
    CONTEXT_SEGMENT,
    BasicResBlock,
    CampPlusNetwork,
    ContextAwareMask,
    ConvolutionHead,
    DenseBlock,
    DenseLayer,
)

Norm = nn.BatchNorm1d | nn.BatchNorm2d


class Convolution(nn.Module):
    """A convolution with the batch norms around it fused in: (batch, in, height, frames) to (batch, out, ...).

    Args:
        layer: the convolution; a 1-D one acts on the frames of height 1.
        before: batch norm and ReLU in front of it, if any.
        after: batch norm behind it, if any.
        height: rows that the input's channels are spread over; above 1, the convolution takes all of them.
    """

    scale: Tensor
    shift: Tensor

    def __init__(
        self, layer: nn.Conv1d | nn.Conv2d, before: Norm | None = None, after: Norm | None = None, height: int = 1
    ) -> None:
        super().__init__()
        weight = layer.weight.detach().double()
        bias = weight.new_zeros(len(weight)) if layer.bias is None else layer.bias.detach().double()
        if weight.dim() == 3:  # noqa: PLR2004  # 1-D: out, in, width
            weight = weight.reshape(len(weight), -1, height, weight.shape[2])
        self.activates = before is not None
        if before is not None:
            # Fused into a convolution that does nothing, a batch norm leaves its scale and shift.
            nothing = bias.new_ones((before.num_features, 1)), bias.new_zeros(before.num_features)
            for name, values in zip(("scale", "shift"), fuse(*nothing, before), strict=True):
                self.register_buffer(name, values.float().reshape(-1, 1, 1))
        if after is not None:
            weight, bias = fuse(weight, bias, after)
        self.weight = nn.Parameter(weight.float().contiguous(memory_format=torch.channels_last), requires_grad=False)
        self.bias = nn.Parameter(bias.float(), requires_grad=False)
        self.stride, self.dilation = spread(layer.stride, 1), spread(layer.dilation, 1)
        self.padding = spread(tuple(int(side) for side in layer.padding), 0)
        if weight.shape[2:] == (1, 1):
            # A kernel of one has no use for dilation, but without it torch leaves oneDNN on a single thread, for a
            # matrix product that takes twice as long on AMD processors.
            self.dilation = (2, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, in, height, frames) to (batch, out, height', frames')."""
        if self.activates:
            x = torch.addcmul(self.shift, x, self.scale).relu_()
        return functional.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation)


class Residual(nn.Module):
    """`BasicResBlock`, fused."""

    def __init__(self, block: BasicResBlock) -> None:
        super().__init__()
        self.first = Convolution(block.conv1, after=block.bn1)
        self.second = Convolution(block.conv2, after=block.bn2)
        shortcut: Any = block.shortcut
        self.shortcut = Convolution(shortcut[0], after=shortcut[1]) if len(shortcut) else None

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channels, mel, frames) to (batch, channels, mel / stride, frames)."""
        out: Tensor = self.second(self.first(x).relu_())
        return out.add_(x if self.shortcut is None else self.shortcut(x)).relu_()


class Head(nn.Module):
    """`ConvolutionHead`, fused: (batch, 1, mel, frames) to (batch, channels, mel / 8, frames)."""

    def __init__(self, head: ConvolutionHead) -> None:
        super().__init__()
        self.first = Convolution(head.conv1, after=head.bn1)
        self.blocks = nn.Sequential(*(Residual(cast(BasicResBlock, b)) for b in (*head.layer1, *head.layer2)))
        self.last = Convolution(head.conv2, after=head.bn2)

    def forward(self, x: Tensor) -> Tensor:
        """One window at a time: glibc maps and unmaps anew what is larger than 32 MB, and a batch of four is."""
        return torch.cat([self.last(self.blocks(self.first(window).relu_())).relu_() for window in x[:, None]])


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


def fuse(weight: Tensor, bias: Tensor, norm: Norm) -> tuple[Tensor, Tensor]:
    """Fuse the batch norm behind a convolution into its (out, in, ...) weight and (out,) bias, both float64.

    Raises:
        ValueError: the norm has no running statistics.
    """
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("a batch norm without running statistics cannot be fused: expected a trained one")
    statistics = norm.running_mean.double(), norm.running_var.double()
    affine = norm.weight.detach().double(), norm.bias.detach().double()
    fused = fuse_conv_bn_weights(weight, bias, *statistics, norm.eps, *affine)
    return fused[0].detach(), fused[1].detach()


def norm_of(layer: nn.Module) -> Norm:
    """Find the batch norm of a `batchnorm` block.

    Raises:
        TypeError: it holds none.
    """
    norm = layer.get_submodule("batchnorm")
    if not isinstance(norm, nn.BatchNorm1d):
        raise TypeError(f"{type(norm).__name__} where a batch norm was expected")
    return norm


def spread(values: tuple[int, ...], above: int) -> tuple[int, ...]:
    """Give a stride, padding or dilation one for the axis above, where the convolution is 1-D."""
    return values if len(values) == 2 else (above, *values)  # noqa: PLR2004  # rows, frames

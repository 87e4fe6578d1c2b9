"""Layers for a CPU, in FP32 or BF16: batch norms fused into their neighbours, tensors channels last.

Neither changes a result by more than the rounding of the type. Norms are fused into the convolutions before them, in
float64; those in front are one `addcmul`. Tensors are 4-D and channels last, which oneDNN's kernels read without
reordering.
"""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_weights

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
    """A residual block, fused: convolutions `conv1` to `convN`, a norm `bnN` behind each, and a `shortcut`.

    CAM++'s head and WeSpeaker's ResNets are made of such (He et al., "Deep Residual Learning", arXiv 1512.03385).
    """

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        layers: dict[str, Any] = dict(block.named_children())
        count = sum(name.startswith("conv") for name in layers)
        fused = [Convolution(layers[f"conv{i}"], after=layers[f"bn{i}"]) for i in range(1, count + 1)]
        self.inner, self.last = nn.ModuleList(fused[:-1]), fused[-1]
        shortcut = layers["shortcut"]
        self.shortcut = Convolution(shortcut[0], after=shortcut[1]) if len(shortcut) else None

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channels, mel, frames) to (batch, out, mel / stride, frames / stride or frames)."""
        out = x
        for convolution in self.inner:
            out = convolution(out).relu_()
        out = self.last(out)
        return cast(Tensor, out.add_(x if self.shortcut is None else self.shortcut(x)).relu_())


def by_window(layers: Callable[[Tensor], Tensor], batch: Tensor) -> Tensor:
    """Pass a batch through layers one window at a time: glibc maps and unmaps anew what is larger than 32 MB.

    Args:
        layers: map (1, channels, height, frames).
        batch: (batch, channels, height, frames); four windows are larger than that.
    """
    return torch.cat([layers(window) for window in batch[:, None]])


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


def spread(values: tuple[int, ...], above: int) -> tuple[int, ...]:
    """Give a stride, padding or dilation one for the axis above, where the convolution is 1-D."""
    return values if len(values) == 2 else (above, *values)  # noqa: PLR2004  # rows, frames

"""WeSpeaker's ResNets for a CPU, in FP32 or BF16: `fused_layers`, one window at a time; and frames in between.

Nearly all of the time of pyannote's production sets goes here: 45 GFLOP for a window of 10 s in a ResNet34.
"""

from collections.abc import Callable

import torch
from pyannote.audio.models.embedding.wespeaker.resnet import ResNet
from torch import Tensor, nn

from tasks.engine.models.fused_layers import Convolution, Residual, by_window

PHASES = 2
"""Frames in between: the last stage takes every second frame of the one before it, and can take the others, too."""

Layers = Callable[[Tensor], Tensor]


class FusedResNet(nn.Module):
    """`ResNet.forward_frames` computed in `dtype`, with weights of its own made from the network's."""

    def __init__(self, network: ResNet, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        early = (network.layer1, network.layer2, network.layer3)
        self.early = nn.Sequential(
            Convolution(network.conv1, after=network.bn1),
            nn.ReLU(inplace=True),
            *(Residual(block) for stage in early for block in stage),
        )
        self.last = nn.Sequential(*(Residual(block) for block in network.layer4))
        self.dtype = dtype
        self.to(dtype)

    def forward(self, fbank: Tensor, phases: int = 1) -> Tensor:
        """Map (batch, fbank_frames, mel) to (batch, channels, mel / 8, frames) of the type; see `phased`."""
        x = fbank.to(self.dtype).transpose(1, 2)[:, None].contiguous(memory_format=torch.channels_last)
        return by_window(lambda window: phased(self.early, self.last, window, phases), x)


def stock_frames(network: ResNet, fbank: Tensor, phases: int = 1) -> Tensor:
    """Compute `ResNet.forward_frames` with the network's own layers, in the precision that surrounds it; see `phased`.

    Returns:
        (batch, channels, mel / 8, frames).
    """
    early = nn.Sequential(network.conv1, network.bn1, nn.ReLU(), network.layer1, network.layer2, network.layer3)
    return phased(early, network.layer4, fbank.transpose(1, 2)[:, None], phases)


def phased(early: Layers, last: Layers, x: Tensor, phases: int) -> Tensor:
    """Compute frames, and with two phases those of windows that begin half a frame later, too.

    The early stages are as fine as that already: only the last one, a fifth of the network, runs once more.

    Args:
        early: up to frames of half the length.
        last: halves them.
        x: (batch, 1, mel, fbank_frames).
        phases: 1, or 2 for the frames in between.

    Returns:
        (batch, channels, mel / 8, frames), contiguous; with two phases frame 2 n is frame n of one.
    """
    fine = early(x)
    if phases == 1:
        return last(fine).contiguous()
    even, odd = last(fine), last(fine[..., 1:])
    frames = even.new_empty((*even.shape[:-1], even.shape[-1] + odd.shape[-1]))
    frames[..., ::2], frames[..., 1::2] = even, odd
    return frames

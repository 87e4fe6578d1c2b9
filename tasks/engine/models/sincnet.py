"""SincNet, the front end of pyannote's segmentation: fixed filters, and one convolution for windows that overlap.

SincNet: Ravanelli and Bengio, "Speaker recognition from raw waveform with SincNet" (SLT 2018), arXiv 1808.00158.

Windows overlap by nine tenths, so stock pyannote filters each second of audio ten times, after bringing each window to
mean 0 and variance 1. That normalisation is affine and the filters are linear: filtering the stretch of audio that a
batch of windows lies on, then scaling and shifting each window's frames, gives the same numbers but for rounding.
"""

from typing import Any, cast

import torch
from pyannote.audio.models.blocks.sincnet import SincNet
from torch import Tensor, nn
from torch.nn import functional


class FixedFilters(nn.Module):
    """The band-pass filters of SincNet's first layer, computed once instead of in every forward pass.

    They are sines of a float32 product that TF32 or half precision would ruin, and that each device rounds in its own
    way. Computed once, on the CPU and in FP32, they are bit for bit what stock pyannote.audio uses there, and both
    sides of a comparison share them. Float64 would be closer to exact arithmetic, but not to stock's answers:
    docs/lab_notes/measurements.md, "SincNet's filters".
    """

    filters: Tensor

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        bank = encoder.get_submodule("filterbank").cpu()
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            self.register_buffer("filters", cast(Any, bank).filters().detach())
        self.stride = int(cast(Any, bank).stride)

    def forward(self, waveform: Tensor) -> Tensor:
        """Map (batch, 1, samples) to (batch, filters, frames)."""
        return functional.conv1d(waveform, self.filters, stride=self.stride)


class OverlappingSincNet(SincNet):  # type: ignore[misc]  # pyannote ships no types
    """`SincNet` that filters a batch once where its windows are views on one stretch of audio.

    That takes fixed filters, and windows that begin a whole number of frames apart; any other batch goes the stock way.
    """

    def __init__(self, stock: SincNet) -> None:
        super().__init__(stock.sample_rate, stock.stride)
        self.load_state_dict(stock.state_dict())
        self.train(stock.training)

    def forward(self, waveforms: Tensor) -> Tensor:
        """Map (batch, 1, samples) to (batch, features, frames)."""
        step = waveforms.stride(0)
        fixed = isinstance(self.conv1d[0], FixedFilters)
        if not fixed or step >= waveforms.shape[-1] or step % self.stride:
            return cast(Tensor, super().forward(waveforms))
        features = activated(self.norm1d[0], self._pooled(waveforms, step // self.stride))
        for convolve, pool, norm in zip(self.conv1d[1:], self.pool1d[1:], self.norm1d[1:], strict=True):
            features = activated(norm, pool(convolve(features)))
        return features

    def _pooled(self, waveforms: Tensor, hop: int) -> Tensor:
        """Filter (batch, 1, samples), `hop` frames apart, take magnitudes and pool them.

        One window after the other: together they would leave the cache.

        Returns:
            (batch, filters, frames).
        """
        first = cast(FixedFilters, self.conv1d[0])
        batch, _, length = waveforms.shape
        stretch = waveforms.as_strided((1, (batch - 1) * hop * self.stride + length), (length, 1))
        filtered, frames = first(stretch), (length - first.filters.shape[-1]) // self.stride + 1
        norm = self.wav_norm1d
        # Two plain passes: torch's one-pass `var_mean` takes ten times as long, a millisecond per window.
        mean = waveforms.mean(dim=-1, keepdim=True)
        variance, mean = (waveforms - mean).square_().mean(dim=-1), mean[..., 0]
        scale = norm.weight * (variance + norm.eps).rsqrt()
        offsets = (norm.bias - mean * scale) * first.filters.double().sum(dim=(1, 2)).to(scale.dtype)
        return torch.stack(
            [
                self.pool1d[0](torch.add(offset[:, None], filtered[:, at : at + frames], alpha=factor).abs_())
                for at, factor, offset in zip(range(0, batch * hop, hop), scale[:, 0].tolist(), offsets, strict=True)
            ]
        )


def activated(norm: nn.InstanceNorm1d, features: Tensor) -> Tensor:
    """Normalise (batch, channels, frames), then apply leaky ReLU.

    On a CPU in plain passes: torch's own goes over the features slowly there, 1.1 ms for a window's first ones.
    """
    if features.device.type != "cpu":
        return functional.leaky_relu(norm(features))
    centred = features - features.mean(dim=-1, keepdim=True)
    variance = centred.square().mean(dim=-1, keepdim=True)
    scale = norm.weight[:, None] * (variance + norm.eps).rsqrt_()
    return functional.leaky_relu_(centred.mul_(scale).add_(norm.bias[:, None]))


def share_front_end(model: nn.Module) -> OverlappingSincNet | None:
    """Give a model with a SincNet one that knows overlapping windows, once; None for a model that has no SincNet."""
    front_end = getattr(model, "sincnet", None)
    if isinstance(front_end, SincNet) and not isinstance(front_end, OverlappingSincNet):
        cast(Any, model).sincnet = front_end = OverlappingSincNet(front_end)
    return front_end


def fix_filters(model: nn.Module) -> None:
    """Give a PyanNet fixed filters, once; to be called while it is still on the CPU."""
    layers = cast(Any, model).sincnet.conv1d
    if not isinstance(layers[0], FixedFilters):
        layers[0] = FixedFilters(layers[0])

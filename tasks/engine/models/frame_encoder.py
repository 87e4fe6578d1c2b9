"""The frame-level encoder of the embedding network: from waveforms to frames, where nearly all of the time goes.

The term is that of x-vectors (Snyder et al., "X-vectors: robust DNN embeddings for speaker recognition", ICASSP 2018,
doi:10.1109/ICASSP.2018.8461375): layers on frames, then statistics pooling, then layers on segments.
"""

from typing import Any, cast

import torch
from pyannote.audio.models.embedding.wespeaker.resnet import ResNet
from torch import Tensor

from tasks.engine.core.choices import Precision
from tasks.engine.devices.precision import Arithmetic
from tasks.engine.models.campplus import CampPlusNetwork
from tasks.engine.models.campplus_fused import FusedCampPlus
from tasks.engine.models.resnet_fused import PHASES, FusedResNet, stock_frames

Fused = FusedCampPlus | FusedResNet


class FrameEncoder:
    """A WeSpeaker-like model up to its frames: CAM++ and ResNets fused on the CPU, any other as it is.

    FP16 is left to autocast there: hardly a CPU multiplies in it.

    Args:
        model: with `compute_fbank` and a network that has `forward_frames`, as `BaseWeSpeakerResNet`.
    """

    def __init__(self, model: Any) -> None:  # noqa: ANN401  # pyannote ships no types
        self.model = model
        self._fused: dict[torch.dtype, Fused] = {}
        self._second: tuple[int, ...] | None = None

    def phases(self, step: int, period: int) -> int:
        """Choose how finely to compute frames of which windows are cut that begin `step` samples apart.

        Args:
            step: samples from one window to the next.
            period: samples from one frame to the next.

        Returns:
            2 where frames do not divide the step and the network can give those in between, else 1.
        """
        return PHASES if step % period and isinstance(self.model.resnet, ResNet) else 1

    def frames(self, batch: Tensor, arithmetic: Arithmetic, phases: int = 1) -> Tensor:
        """Encode (batch, 1, samples) to (batch, channels, ..., frames) for pooling: FP32, but in naive precision.

        Args:
            batch: windows or blocks.
            arithmetic: to compute in.
            phases: 2 for frames in between the network's own, as `phases` has it.
        """
        fbank, options = self.model.compute_fbank(batch), {"phases": phases} if phases > 1 else {}
        if dtype := self._fused_dtype(batch, arithmetic):
            return cast(Tensor, self.fused(dtype)(fbank, **options).float())
        with arithmetic.encoder():
            if options:
                return arithmetic.upcast(stock_frames(self.model.resnet, fbank, **options))
            return arithmetic.upcast(cast(Tensor, self.model.resnet.forward_frames(fbank)))

    def idle_embedding(self, arithmetic: Arithmetic, shape: tuple[int, ...] | None = None) -> Tensor:
        """Compute the embedding of a speaker who says nothing: independent of the audio, every statistic being zero.

        Args:
            arithmetic: to compute it with.
            shape: (channels, ..., frames) of any window's frames, where one is at hand; else a second of silence tells.

        Returns:
            (dimension,) float32.
        """
        with torch.inference_mode(), arithmetic.sensitive():
            frames = torch.zeros((1, *(shape or self._shape_of_a_second(arithmetic))), device=arithmetic.device)
            nobody = frames.new_zeros((1, 1, frames.shape[-1]))
            return cast(Tensor, self.model.forward_embedding(frames, weights=nobody)[0, 0].float())

    def _shape_of_a_second(self, arithmetic: Arithmetic) -> tuple[int, ...]:
        if self._second is None:
            silence = torch.zeros((1, 1, self.model.hparams.sample_rate), device=arithmetic.device)
            self._second = tuple(self.frames(silence, arithmetic).shape[1:])
        return self._second

    def fused(self, dtype: torch.dtype) -> Fused:
        """Return the fused network of one type, made when it is first asked for."""
        if dtype not in self._fused:
            kind = FusedResNet if isinstance(self.model.resnet, ResNet) else FusedCampPlus
            self._fused[dtype] = kind(self.model.resnet, dtype)
        return self._fused[dtype]

    def _fused_dtype(self, batch: Tensor, arithmetic: Arithmetic) -> torch.dtype | None:
        """Choose the type to compute in with fused layers; None where they do not serve."""
        if batch.device.type != "cpu" or not isinstance(self.model.resnet, CampPlusNetwork | ResNet):
            return None
        dtypes = {Precision.FP32: torch.float32, Precision.MIXED: arithmetic.autocast_dtype}
        dtype = dtypes.get(arithmetic.precision)
        return None if dtype is torch.float16 else dtype

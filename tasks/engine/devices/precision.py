"""Arithmetic as one policy: what may run in half precision, and what FP32 means.

FP32 means FP32: TensorFloat-32 is off for matrix products, convolutions and recurrent layers, in every process and
entry point, and cuDNN is deterministic. Mixed precision autocasts one thing, the frame-level encoder of the embedding
network, where nearly all of the time goes. What touches the raw waveform (SincNet with its filters, the filter bank)
underflows in FP16 on quiet recordings. What decides (pooling, softmax, argmax) turns rounding into other answers, and
so do the layers of the segmentation network: in FP16 they moved up to 0.3 % of a clip's frames
(docs/lab_notes/measurements.md, "Speech frames by precision"). All of that stays in FP32.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from tasks.engine.core.choices import AutocastDtype, Precision

AUTOCAST_DTYPES: dict[str, torch.dtype] = {
    AutocastDtype.FLOAT16: torch.float16,
    AutocastDtype.BFLOAT16: torch.bfloat16,
}


def enforce_fp32() -> None:
    """Make FP32 mean FP32 in this process, for good: another thread may be computing the reference meanwhile.

    The legacy flags are used on purpose: with torch 2.11 the newer ``fp32_precision`` settings make pyannote's own
    reproducibility check raise, and setting the global one leaves convolutions and RNNs on TF32.
    """
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False


def backend_flags() -> dict[str, bool | str]:
    """Report the arithmetic settings in force right now, for the manifest."""
    return {
        "cudnn_allow_tf32": torch.backends.cudnn.allow_tf32,
        "matmul_allow_tf32": torch.backends.cuda.matmul.allow_tf32,
        "cudnn_deterministic": torch.backends.cudnn.deterministic,
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
    }


class Arithmetic:
    """Autocast contexts of one precision on one device.

    Args:
        precision: the policy.
        device: where inference runs; autocast is per device type.
        autocast_dtype: the 16-bit type that mixed and naive precision use.
    """

    def __init__(self, precision: Precision, device: torch.device, autocast_dtype: torch.dtype = torch.float16) -> None:
        self.precision = precision
        self.device = device
        self.autocast_dtype = autocast_dtype

    def encoder(self) -> AbstractContextManager[object]:
        """Enter the frame-level encoder of embeddings, between filter bank and pooling: it may run in 16 bits."""
        if self.precision is Precision.FP32:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.autocast_dtype)

    def sensitive(self) -> AbstractContextManager[object]:
        """Enter everything else: FP32, unless the naive precision was asked for."""
        if self.precision is Precision.NAIVE:
            return torch.autocast(self.device.type, dtype=self.autocast_dtype)
        return torch.autocast(self.device.type, enabled=False)

    def upcast(self, tensor: Tensor) -> Tensor:
        """Bring what leaves the encoder to FP32 for the next stage, or leave it, under the naive precision."""
        return tensor if self.precision is Precision.NAIVE else tensor.float()

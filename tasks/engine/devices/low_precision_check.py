"""May this device be trusted with 16-bit arithmetic? Asked before mixed precision is used.

GTX 16xx cards return NaN from FP16 convolutions with several cuDNN versions (pytorch issues 58123 and 77955), and
argmax over NaN is class 0, which a powerset model decodes as nobody speaking.
"""

import torch
from torch import nn

from tasks.engine.devices.precision import AUTOCAST_DTYPES

LARGEST_ERROR = 0.05
"""Of the largest FP32 value: FP16 carries 11 bits and BF16 8, so a few operations in a row stay below 2 %."""


def check_low_precision(device: str, dtype: str) -> str | None:
    """Run a small convolution and LSTM in 16 bits against FP32.

    Args:
        device: as torch names it.
        dtype: `float16` or `bfloat16`.

    Returns:
        What went wrong in one clause, or None where both are finite and close.
    """
    try:
        return first_failure(device, dtype)
    except RuntimeError as error:  # a device without memory, or gone
        return f"{dtype} could not be tried ({' '.join(str(error).split())[:120]})"


def first_failure(device: str, dtype: str) -> str | None:
    """Name the first layer whose output is wrong, and how; None where every one is right.

    Raises:
        RuntimeError: the device does not answer.
    """
    generator = torch.Generator().manual_seed(0)
    picture = torch.randn((2, 8, 40, 64), generator=generator).to(device)
    sequence = torch.randn((2, 64, 60), generator=generator).to(device)
    layers: dict[str, tuple[nn.Module, torch.Tensor]] = {
        "convolution": (nn.Conv2d(8, 32, 3, padding=1), picture),
        "LSTM": (nn.LSTM(60, 64, num_layers=2, bidirectional=True, batch_first=True), sequence),
    }
    for name, (layer, value) in layers.items():
        failure = disagreement(layer.to(device).eval(), value, device, AUTOCAST_DTYPES[dtype])
        if failure:
            return f"{dtype} {name} {failure}"
    return None


def disagreement(layer: nn.Module, value: torch.Tensor, device: str, dtype: torch.dtype) -> str | None:
    """Say how a layer's 16-bit output differs from its FP32 output; None where that does not matter."""
    kind = torch.device(device).type
    try:
        with torch.inference_mode():
            exact = first(layer(value))
            with torch.autocast(kind, dtype=dtype):
                rough = first(layer(value.to(dtype))).float()
    except RuntimeError as error:
        return f"failed ({' '.join(str(error).split())[:120]})"
    if not bool(torch.isfinite(rough).all()):
        return "returned values that are not finite"
    off = float((rough - exact).abs().max() / exact.abs().max())
    return None if off <= LARGEST_ERROR else f"is {100 * off:.0f} % off FP32"


def first(output: torch.Tensor | tuple[torch.Tensor, ...]) -> torch.Tensor:
    """Take the output of a layer: an LSTM returns its state too."""
    return output[0] if isinstance(output, tuple) else output

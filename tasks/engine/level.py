"""One level for every recording, in float, before the models.

PyanNet normalises each window with an epsilon of 1e-5, so quiet recordings lose speech even in FP32. A constant factor
for the whole file undoes that: it keeps loud against quiet as recorded, and is the same on every device.
"""

import numpy as np
from numpy.typing import NDArray

TARGET_RMS = 0.1
"""-20 dB of full scale, the level of speech in the networks' training data."""

SILENCE_RMS = 1e-7
"""-140 dB: below this there is nothing to amplify but rounding (one step of 24-bit audio is 1.2e-7)."""

BLOCK = 1 << 20


def rms(samples: NDArray[np.float32]) -> float:
    """Root mean square of the samples, accumulated in float64, block by block."""
    total = sum(float(np.square(samples[i : i + BLOCK], dtype=np.float64).sum()) for i in range(0, len(samples), BLOCK))
    return float(np.sqrt(total / len(samples))) if len(samples) else 0.0


def gain(samples: NDArray[np.float32]) -> float:
    """The factor that brings the samples to the target level; 1 for digital silence."""
    level = rms(samples)
    return TARGET_RMS / level if level > SILENCE_RMS else 1.0

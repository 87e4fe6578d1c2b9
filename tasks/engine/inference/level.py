"""One level for every recording, in float, before the models.

PyanNet normalises each window's variance with an epsilon of 1e-5 (-50 dB), so quiet recordings lose speech even in
FP32. A constant factor for the whole file undoes that: it keeps loud against quiet as recorded, and is the same on
every device. The level is that of the file's loud blocks, so neither silence nor a click nor a constant offset moves
it. Measured in docs/lab_notes/measurements.md, "Level".
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tasks.engine.system.memory import iter_blocks

TARGET_RMS = 1.0
"""Full scale. Nothing clips in float, and what is 30 dB quieter in the same file still lies 20 dB above the epsilon."""

BLOCK = 6400
"""Samples: 400 ms at 16 kHz, the gating block of ITU-R BS.1770-4."""

LOUD_PERCENTILE = 90
"""Of the blocks' levels. Speech needs a tenth of the blocks that are not digital silence, so a click is left out."""

SILENCE_RMS = 1e-7
"""-140 dB: where nothing is louder there is nothing to amplify but rounding (one step of 24-bit audio is 1.2e-7)."""

SILENCE_RATIO = 1e-5
"""-100 dB: a block that far below the loudest is digital silence. A ratio, so that no recording level moves it."""

BLOCKS_AT_ONCE = 256
"""Read at once: 13 MB in float64, however long the file."""


def gain(samples: NDArray[np.float32]) -> float:
    """Find the factor that brings the samples' loud blocks to the target level; 1 for digital silence.

    Args:
        samples: (samples,) mono, 16 kHz; may be memory-mapped, is read once and not written.
    """
    loud = loud_rms(samples)
    return TARGET_RMS / loud if loud else 1.0


def loud_rms(samples: NDArray[np.float32]) -> float:
    """Measure the root mean square of the samples' loud blocks; 0 for digital silence.

    Args:
        samples: as in `gain`.
    """
    levels = np.fromiter(block_levels(samples), dtype=np.float64)
    levels = levels[np.isfinite(levels)]
    loudest = levels.max(initial=0.0)
    if loudest <= SILENCE_RMS:
        return 0.0
    heard = levels[levels > SILENCE_RATIO * loudest]
    return float(np.percentile(heard, LOUD_PERCENTILE))


def block_levels(samples: NDArray[np.float32]) -> Iterator[float]:
    """Yield each block's root mean square about the block's own mean, which takes any offset out.

    A rest shorter than a block is left out, unless it is all there is. Blocks that are not finite give NaN.
    """
    size = min(BLOCK, len(samples)) or BLOCK
    whole = len(samples) // size * size
    for _, stretch in iter_blocks(samples[:whole], size * BLOCKS_AT_ONCE):
        with np.errstate(invalid="ignore"):
            yield from stretch.reshape(-1, size).std(axis=1, dtype=np.float64)

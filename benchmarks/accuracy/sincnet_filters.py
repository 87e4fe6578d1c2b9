"""SincNet's filters: computed in float32 as stock pyannote.audio does, or once in float64. Which is nearer to what?

Usage: python benchmarks/accuracy/sincnet_filters.py [FOLDER]     (FOLDER: more clips, NAME.wav, 16 kHz mono float)

The truth is the whole segmentation network in float64, its filters made in float64 from the checkpoint's cut-off
frequencies. Levelled samples, CPU.
"""

import copy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.io import wavfile

from tasks.engine.devices.precision import enforce_fp32
from tasks.engine.inference import level, loading
from tasks.engine.media.sample import recording
from tasks.engine.models.sincnet import FixedFilters, fix_filters

WINDOW, STEP = 160_000, 16_000


def clips(folder: Path | None) -> dict[str, NDArray[np.float32]]:
    """The shipped recording, and whatever the folder holds."""
    more = sorted(folder.glob("*.wav")) if folder else []
    return {"sample": recording()} | {path.stem: wavfile.read(path)[1].astype(np.float32) for path in more}


def windows(samples: NDArray[np.float32]) -> torch.Tensor:
    """(windows, 1, samples), levelled."""
    levelled = samples * np.float32(level.gain(samples))
    starts = range(0, len(levelled) - WINDOW + 1, STEP)
    return torch.from_numpy(np.stack([levelled[start : start + WINDOW] for start in starts]))[:, None]


def with_double_filters(network: Any) -> Any:  # noqa: ANN401  # pyannote ships no types
    """A copy of a network whose filters were computed in float64, its window and time axis included."""
    changed = copy.deepcopy(network)
    bank = changed.sincnet.conv1d[0].filterbank.double()
    bank.window_ = torch.from_numpy(np.hamming(bank.kernel_size)[: bank.half_kernel])
    bank.n_ = 2 * np.pi * torch.arange(-bank.half_kernel, 0, dtype=torch.float64).view(1, -1) / bank.sample_rate
    changed.sincnet.conv1d[0] = FixedFilters(changed.sincnet.conv1d[0])
    return changed


def table(samples: dict[str, NDArray[np.float32]]) -> Iterator[str]:
    """One line per clip."""
    stock = loading.load("offline").segmentation_network.eval()
    fixed, double = copy.deepcopy(stock), with_double_filters(stock).float()
    fix_filters(fixed)
    truth = with_double_filters(stock).double()
    yield "| clip | score error, stock | filters once, FP32 | filters once, FP64 | argmaxes | FP32 off | FP64 off |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for name, one in samples.items():
        batch = windows(one)
        with torch.inference_mode():
            exact = truth(batch.double())
            found = [network(batch).double() for network in (stock, fixed, double)]
        errors = " | ".join(f"{(scores.exp() - exact.exp()).abs().max():.1e}" for scores in found)
        flips = " | ".join(str(int((found[i].argmax(-1) != exact.argmax(-1)).sum())) for i in (1, 2))
        assert torch.equal(found[0], found[1]), "filters computed once in FP32 are stock's, bit for bit"  # noqa: S101
        yield f"| {name} | {errors} | {exact[..., 0].numel()} | {flips} |"


def main(folder: Path | None) -> None:
    """Print the table."""
    enforce_fp32()
    for line in table(clips(folder)):
        print(line, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)

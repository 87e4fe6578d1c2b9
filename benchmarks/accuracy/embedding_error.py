"""How far embeddings are from float64: stock's layers, the fused ones, and variants in between.

Usage: python benchmarks/accuracy/embedding_error.py FOLDER   (a folder of NAME.wav, 16 kHz mono)

Three windows of each clip, levelled, every speaker of the segmentation pooled. The filter bank is float32 on every
side: what is compared is the network behind it. Prints the largest difference of a component, of about 6 at most.
"""

import copy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tasks.engine.inference import loading
from tasks.engine.inference.level import gain
from tasks.engine.inference.windows import pooling_masks
from tasks.engine.media.sample import recording_path
from tasks.engine.models.campplus_fused import FusedCampPlus

STEP = 10


def fused_but_for(network: Any, parts: tuple[str, ...]) -> Any:  # noqa: ANN401  # a callable on the filter bank
    """The fused network with some of its parts in stock's layers instead."""
    fused = FusedCampPlus(network)
    stages = dict(network.xvector.named_children())

    def frames(fbank: torch.Tensor) -> torch.Tensor:
        x = fbank.transpose(1, 2)
        if "head" in parts:
            x = stages["tdnn"](network.head(x))[:, :, None]
        else:
            x = fused.delay(fused.head(x[:, None].contiguous(memory_format=torch.channels_last))).relu_()
        if "blocks" not in parts:
            for block, transition in zip(fused.blocks, fused.transitions, strict=True):
                x = transition(block(x.contiguous(memory_format=torch.channels_last)))
            return x.relu_().squeeze(2).contiguous()
        x = x.squeeze(2)
        for name, stage in stages.items():
            x = x if name in {"tdnn", "dense"} else stage(x)
        return x

    return frames


def main(folder: Path) -> None:
    """Print the table."""
    from scipy.io import wavfile

    torch.set_num_threads(1)
    pipeline = loading.load("offline")
    model: Any = pipeline.embedding_network
    exact = copy.deepcopy(model).double()
    variants = {
        "stock": model.resnet.forward_frames,
        "fused": FusedCampPlus(model.resnet),
        "head as stock": fused_but_for(model.resnet, ("head",)),
        "blocks as stock": fused_but_for(model.resnet, ("blocks",)),
    }
    apart = [name for name in variants if name != "stock"]
    print("| clip |", " | ".join(f"{name} from float64" for name in variants), "|", end=" ")
    print(" | ".join(f"{name} from stock" for name in apart), "|")
    print("| --- |", " | ".join("---:" for _ in (*variants, *apart)), "|")
    for path in (recording_path(), *sorted(folder.glob("*.wav"))):
        samples = wavfile.read(path)[1]
        samples = samples.astype(np.float32) / (32768 if samples.dtype == np.int16 else 1)
        pipeline.gain = gain(samples)
        file = {"waveform": torch.from_numpy(samples)[None], "sample_rate": 16000, "uri": path.stem}
        decisions = pipeline.get_segmentations(file)
        masks = torch.from_numpy(pooling_masks(decisions, None))[::STEP]
        starts = range(0, len(masks) * STEP * 16000, STEP * 16000)
        with torch.inference_mode():
            windows = torch.stack([file["waveform"][:, i : i + 160000] for i in starts]) * pipeline.gain
            fbank = model.compute_fbank(windows)
            true = exact.forward_embedding(exact.resnet.forward_frames(fbank.double()), weights=masks.double())
            found = {name: model.forward_embedding(frames(fbank), weights=masks) for name, frames in variants.items()}
        busy = masks.any(dim=2)
        cells = [(found[name] - true)[busy].abs().max() for name in variants]
        cells += [(found[name] - found["stock"])[busy].abs().max() for name in apart]
        print(f"| {path.stem} |", " | ".join(f"{float(cell):.1e}" for cell in cells), "|", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

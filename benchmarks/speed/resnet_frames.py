"""A ResNet34 up to its frames, window by window: CPU milliseconds and page faults, as stock computes it and fused.

Usage: python benchmarks/speed/resnet_frames.py [--rounds 3] [--bf16]

Random weights, one torch thread, four windows of 10 s, memory as a run has it. The ways take turns. `--bf16` adds the
fused network in BF16, for processors with instructions for it. Prints the table of docs/lab_notes/resnet34.md,
"Frames".
"""

import argparse
import resource
from collections.abc import Callable
from statistics import median

import torch

from tasks.engine.models.resnet_fused import FusedResNet  # before pyannote: its package configures that
from tasks.engine.system.memory import keep_freed_memory

WINDOWS, FRAMES, MEL = 4, 998, 80


def spent(compute: Callable[[], torch.Tensor]) -> tuple[float, float]:
    """CPU milliseconds and page faults of a window."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    compute()
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return 1000 * cpu / WINDOWS, (after.ru_minflt - before.ru_minflt) / WINDOWS


@torch.inference_mode()
def main(rounds: int, *, bf16: bool) -> None:
    """Print a row per way."""
    from pyannote.audio.models.embedding import WeSpeakerResNet34

    keep_freed_memory()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network, fbank = WeSpeakerResNet34().eval().resnet, torch.randn(WINDOWS, FRAMES, MEL)
    fused = FusedResNet(network)
    ways: dict[str, Callable[[], torch.Tensor]] = {
        "stock, batch 4": lambda: network.forward_frames(fbank),
        "stock, batch 1": lambda: torch.cat([network.forward_frames(window[None]) for window in fbank]),
        "fused": lambda: fused(fbank),
        "fused, two phases": lambda: fused(fbank, 2),
    }
    if bf16:
        half = FusedResNet(network, torch.bfloat16)
        ways["fused, BF16"] = lambda: half(fbank)
    figures: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, compute in ways.items():
            figures[way].append(spent(compute))
    expected = network.forward_frames(fbank)
    print("| way | CPU ms per window | page faults per window | largest difference, of the largest value |")
    print("| --- | ---: | ---: | ---: |")
    for way, compute in ways.items():
        own = compute()[..., ::2] if way.endswith("phases") else compute()
        apart = float((own.float() - expected).abs().max() / expected.abs().max())
        milliseconds, faults = (median(values) for values in zip(*figures[way], strict=True))
        print(f"| {way} | {milliseconds:.0f} | {faults:.0f} | {apart:.0e} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bf16", action="store_true")
    options = parser.parse_args()
    main(options.rounds, bf16=options.bf16)

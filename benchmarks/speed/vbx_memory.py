"""VBx for hours of talk: peak memory and CPU seconds of pyannote's own and of the bounded one, same problem.

Usage: python benchmarks/speed/vbx_memory.py [--hours 4] [--rounds 3]

Made-up features of forty speakers, 1.08 embeddings a second, 128 values each, in as many first clusters as two hours of
talk gave (a cluster for 5.7 embeddings). Each side in a process of its own; the peak does not depend on the rounds.
Prints the table of docs/lab_notes/resnet34.md, "VBx for hours".
"""

import argparse
import multiprocessing
import resource
import time
from typing import Any

import numpy as np

SPEAKERS, DIMENSION, PER_SECOND, PER_CLUSTER = 40, 128, 1.08, 5.7
SIDES = ("pyannote's", "bounded")


def problem(hours: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First clusters, features, and the variance between speakers."""
    generator, count = np.random.default_rng(0), round(hours * 3600 * PER_SECOND)
    phi = np.linspace(60, 1, DIMENSION)
    who = generator.integers(SPEAKERS, size=count)
    features = (generator.standard_normal((SPEAKERS, DIMENSION)) * np.sqrt(phi))[who]
    features += generator.standard_normal(features.shape)
    clusters = who + SPEAKERS * generator.integers(round(count / PER_CLUSTER / SPEAKERS), size=count)
    return np.unique(clusters, return_inverse=True)[1], features, phi


def measure(side: str, hours: float, rounds: int, answer: Any) -> None:  # noqa: ANN401  # a pipe's end
    """Send MiB above what the process had before, CPU seconds, clusters and the speakers kept."""
    from pyannote.audio.utils.vbx import cluster_vbx

    from tasks.engine.inference.vbx import KEPT, BoundedVBx

    cluster = BoundedVBx() if side == "bounded" else cluster_vbx
    clusters, features, phi = problem(hours)
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    _, priors = cluster(clusters, features, phi, Fa=0.07, Fb=0.8, maxIters=rounds)
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    answer.send((more, time.process_time() - began, int(clusters.max()) + 1, int((priors > KEPT).sum())))


def main() -> None:
    """Print a row per side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print("| hours | first clusters | VBx | MiB more at the peak | CPU s | speakers kept |")
    print("| ---: | ---: | --- | ---: | ---: | ---: |")
    for side in SIDES:
        here, there = multiprocessing.get_context("spawn").Pipe()
        child = multiprocessing.get_context("spawn").Process(
            target=measure, args=(side, options.hours, options.rounds, there)
        )
        child.start()
        more, seconds, clusters, kept = here.recv()
        child.join()
        print(f"| {options.hours:g} | {clusters} | {side} | {more:.0f} | {seconds:.1f} | {kept} |", flush=True)


if __name__ == "__main__":
    main()

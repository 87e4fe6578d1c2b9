"""The shared engine with a network whose frames do not divide the step: one phase, two, or a step that they divide.

Usage: python benchmarks/accuracy/shared_phases.py FOLDER --models DIR [--clips N]

FOLDER holds NAME.wav (16 kHz mono); the recording that pyannote.audio ships comes first. DIR is a model set with a
ResNet34, whose frames of 80 ms do not divide a step of 1 s. For every way the cosine distance of the embeddings from
the exact engine's, of whoever speaks alone for long enough to be clustered, in windows that begin on a frame (even) and
in those that begin between two (odd), what the gate says, and CPU
seconds. Prints the table of docs/lab_notes/resnet34.md, "Phases".
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from shared_engine import clips

WAYS: dict[str, dict[str, Any]] = {
    "exact, 1 s": {"engine": "exact"},
    "shared, one phase": {"engine": "shared"},
    "shared, two phases": {"engine": "shared"},
    "shared, step of 0.96 s": {"engine": "shared", "segmentation_step": 0.096},
}
EXACT, ONE, *_, DIVIDED = WAYS


def distances(exact: Any, other: Any, whole: int) -> list[str]:  # noqa: ANN401  # `WindowOutputs`
    """Mean and largest cosine distance of whoever is clustered, in even and in odd ones of the whole windows.

    The one that is filled up with zeros is left out: they move the filter bank's mean in the exact engine.
    """
    one, two = exact.embeddings[:whole], other.embeddings[:whole]
    apart = 1 - (one * two).sum(-1) / np.linalg.norm(one, axis=-1) / np.linalg.norm(two, axis=-1)
    kinds = (np.abs(apart[first::2][exact.heard[:whole][first::2]]) for first in (0, 1))
    return [f"{kind.mean():.4f}, {kind.max():.2f}" for kind in kinds]


def main(folder: Path, models: str, count: int) -> None:
    """Print a row per way and clip."""
    from profiles.settings import Configuration
    from tasks.device import plan_device
    from tasks.engine.core.choices import Verdict
    from tasks.engine.core.frames import FrameGrid
    from tasks.engine.devices.facts import probe
    from tasks.engine.diagnosis.patching import on_frames
    from tasks.engine.gate.verdict import compare
    from tasks.engine.inference.diarizer import diarize
    from tasks.engine.inference.types import Parameters
    from tasks.engine.models.frame_encoder import FrameEncoder

    plan = plan_device(Configuration.resolve({"profile": "cpu"}, env_file=None), probe())
    chosen = FrameEncoder.phases
    print("| clip | way | distance, even windows: mean, largest | odd | gate, DER between the two | CPU s |")
    print("| --- | --- | ---: | ---: | --- | ---: |")
    for name, (samples, _) in list(clips(folder).items())[:count]:
        found: dict[str, Any] = {}
        for way, changes in WAYS.items():
            FrameEncoder.phases = (lambda *_: 1) if way == ONE else chosen  # type: ignore[method-assign]
            began = time.process_time()
            found[way] = diarize(samples, replace(plan, **changes), Parameters(models=models), keep_windows=True)
            took, exact = time.process_time() - began, found[EXACT]
            sides = [on_frames(each, FrameGrid(len(samples) * 25 // 16000, 25)) for each in (exact, found[way])]
            report = compare(*sides)
            drift = "" if report.verdict is Verdict.COHERENT else "drift, "
            apart = ["", ""]
            if way != DIVIDED:  # its windows are others
                apart = distances(exact.windows, found[way].windows, len(samples) // 16000 - 9)
            der = report.criterion("der_percent").value
            print(f"| {name} | {way} | {' | '.join(apart)} | {drift}{der:.1f} | {took:.1f} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", required=True)
    parser.add_argument("--clips", type=int, default=4)
    options = parser.parse_args()
    main(options.folder, options.models, options.clips)

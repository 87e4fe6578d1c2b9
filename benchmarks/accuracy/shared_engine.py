"""What sharing costs: DER of the exact and the shared engine on the same audio, and the gate's view of the two.

Usage: python benchmarks/accuracy/shared_engine.py FOLDER [--profile shared]

FOLDER holds NAME.wav (16 kHz mono) with NAME.rttm. The recording that pyannote.audio ships comes first, then each clip,
then joins of neighbours, the clips from 2.3 to 27.9 s (other windows, other blocks), and joins of four of those in four
random orders. Prints the table of docs/lab_notes/measurements.md, "The shared engine".
"""

import argparse
import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

RATE = 16000
CUT_SEC = (2.3, 27.9)
JOINED = 4
Case = tuple[np.ndarray, list[tuple[float, float, str]]]


def clips(folder: Path) -> dict[str, Case]:
    """Name to samples, and the reference's (start, end, speaker) in seconds."""
    from pyannote.database.util import load_rttm
    from scipy.io import wavfile

    from tasks.engine.media.sample import recording_path

    found = {}
    for path in (recording_path(), *sorted(folder.glob("*.wav"))):
        _, samples = wavfile.read(path)
        said = next(iter(load_rttm(path.with_suffix(".rttm")).values())).itertracks(yield_label=True)
        scale = np.float32(32768 if samples.dtype == np.int16 else 1)
        found[path.stem] = (samples / scale).astype(np.float32), [(one.start, one.end, who) for one, _, who in said]
    return found


def cut(case: Case) -> Case:
    """The piece between `CUT_SEC`."""
    start, end = CUT_SEC
    samples, said = case
    kept = [(max(a, start) - start, min(b, end) - start, who) for a, b, who in said if a < end and b > start]
    return samples[round(start * RATE) : round(end * RATE)], kept


def join(cases: list[Case]) -> Case:
    """One after the other, each with speakers of its own."""
    offsets = np.cumsum([0, *(len(samples) for samples, _ in cases)]) / RATE
    said = [
        (a + offset, b + offset, f"{i} {who}")
        for i, (offset, (_, turns)) in enumerate(zip(offsets[:-1], cases, strict=True))
        for a, b, who in turns
    ]
    return np.concatenate([samples for samples, _ in cases]), said


def groups(folder: Path) -> Iterator[tuple[str, dict[str, Case]]]:
    """Each group's name and cases."""
    whole = clips(folder)
    pieces = {f"{name}, cut": cut(case) for name, case in whole.items()}
    yield "clips", whole
    yield "joins of two", {f"{a}+{b}": join([whole[a], whole[b]]) for a, b in pairwise(whole)}
    yield "cut clips", pieces
    chosen = [random.Random(seed).sample(sorted(pieces), JOINED) for seed in range(4)]  # noqa: S311  # no secret
    yield "joins of four, cut", {f"four clips, {i}": join([pieces[n] for n in names]) for i, names in enumerate(chosen)}


def errors(turns: Any, case: Case) -> tuple[float, float]:  # noqa: ANN401  # the engine's turns
    """(wrong, total) seconds of reference speech: collar 0, overlap scored."""
    from pyannote.core import Annotation, Segment, Timeline
    from pyannote.metrics.diarization import DiarizationErrorRate

    said, reference = Annotation(), Annotation()
    for i, turn in enumerate(turns):
        said[Segment(turn.start, turn.end), i] = turn.speaker
    for i, (start, end, who) in enumerate(case[1]):
        reference[Segment(start, end), i] = who
    whole = Timeline([Segment(0, len(case[0]) / RATE)])
    parts = DiarizationErrorRate().compute_components(reference, said, uem=whole)
    return parts["false alarm"] + parts["missed detection"] + parts["confusion"], parts["total"]


def main(folder: Path, profile: str) -> None:
    """Print the table, group by group."""
    from profiles.settings import Configuration
    from tasks.device import plan_device
    from tasks.engine.core.choices import Verdict
    from tasks.engine.core.frames import FrameGrid
    from tasks.engine.devices.facts import probe
    from tasks.engine.diagnosis.patching import on_frames
    from tasks.engine.gate.verdict import compare
    from tasks.engine.inference.diarizer import diarize
    from tasks.engine.inference.types import Parameters

    settings = Configuration.resolve({"profile": profile, "device": "cpu"}, env_file=None)
    plan = plan_device(settings, probe())
    print(f"| audio | exact | {profile} | gate, DER between the two |\n| --- | ---: | ---: | --- |")
    for group, cases in groups(folder):
        sums, drifts = np.zeros((2, 2)), 0
        for name, case in cases.items():
            found = [diarize(case[0], one, Parameters()) for one in (plan.as_reference(), plan)]
            parts = np.array([errors(one.turns, case) for one in found])
            report = compare(*(on_frames(one, FrameGrid(len(case[0]) * 25 // RATE, 25)) for one in found))
            drift = report.verdict is not Verdict.COHERENT
            sums, drifts = sums + parts, drifts + drift
            rates = " | ".join(f"{100 * wrong / total:.1f}" for wrong, total in parts)
            print(
                f"| {name} | {rates} | {'drift, ' if drift else ''}{report.criterion('der_percent').value:.1f} |",
                flush=True,
            )
        rates = " | ".join(f"{100 * wrong / total:.1f}" for wrong, total in sums)
        print(f"| **{len(cases)} {group}, pooled** | {rates} | {drifts} drift |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--profile", default="shared")
    options = parser.parse_args()
    main(options.folder, options.profile)

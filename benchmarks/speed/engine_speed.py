"""The exact engine against stock pyannote.audio: seconds, memory, errors, and whether they say the same.

Usage: python benchmarks/speed/engine_speed.py [FOLDER] [--repeats N] [--batch N] [--threads N]

FOLDER holds NAME.wav (16 kHz mono) with NAME.rttm; the recording that pyannote.audio ships comes first. Both sides have
the same networks, weights and parameters. Each run is a process of its own, which loads, warms up on three seconds and
then takes every clip; the sides alternate. `--batch` is stock's batch size: 1 is the default of its code, 32 that of
its published pipelines. `--threads` are stock's: all cores is torch's default; with 1, on a machine that others use
too, CPU seconds compare work alone, since no thread spins while it waits for another. The exact engine takes what
the project plans for this machine.
"""

import argparse
import json
import os
import pickle
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

SIDES = ("stock", "exact")


def clips(folder: Path | None) -> dict[str, Path]:
    """Name to path of every clip with a reference, the shipped recording first."""
    from tasks.engine.media.sample import recording_path

    more = sorted(folder.glob("*.wav")) if folder else []
    return {"sample": recording_path()} | {path.stem: path for path in more if path.with_suffix(".rttm").is_file()}


def waveform(path: Path) -> Any:  # noqa: ANN401  # torch loads where it is used
    """(1, samples) float32 tensor."""
    import torch
    from scipy.io import wavfile

    _, samples = wavfile.read(path)
    return torch.from_numpy(samples.astype(np.float32) / (32768 if samples.dtype == np.int16 else 1))[None]


def pipeline_of(side: str, batch: int, threads: int) -> Any:  # noqa: ANN401  # pyannote ships no types
    """A loaded pipeline with its own threads: torch's for stock, one per worker for the exact engine."""
    import torch
    from pyannote.audio.pipelines import SpeakerDiarization

    from tasks.engine.devices.batch_size import auto_batch_size
    from tasks.engine.devices.facts import probe
    from tasks.engine.devices.precision import enforce_fp32
    from tasks.engine.inference import loading
    from tasks.engine.inference.pyannote_adapter import NoPLDA

    enforce_fp32()
    exact: Any = loading.load("offline")
    if side == "exact":
        facts = probe()
        torch.set_num_threads(1)
        exact.workers = facts.cpu_threads
        batch = auto_batch_size(facts.free_memory // facts.cpu_threads, on_cpu=True)
        exact.segmentation_batch_size = exact.embedding_batch_size = batch
        return exact
    torch.set_num_threads(threads)
    stock = SpeakerDiarization(
        segmentation=exact.segmentation_network,  # the very same networks
        embedding=exact.embedding_network,
        clustering="AgglomerativeClustering",
        plda=NoPLDA(),
        segmentation_batch_size=batch,
        embedding_batch_size=batch,
    )
    return stock.instantiate(loading.OFFLINE_PARAMETERS)


def measure(side: str, batch: int, threads: int, paths: dict[str, Path]) -> dict[str, Any]:
    """Run one side on every clip in this process.

    Returns:
        `clips`: name to turns, embeddings, wall and CPU seconds; `start` seconds to import and load; `mib` at peak.
    """
    started = time.perf_counter()
    pipeline = pipeline_of(side, batch, threads)
    start = time.perf_counter() - started
    pipeline({"waveform": waveform(paths["sample"])[:, :48000], "sample_rate": 16000, "uri": "warm-up"})
    found = {}
    for name, path in paths.items():
        kept: dict[str, Any] = {}

        def keep(stage: str, artifact: Any, kept: dict[str, Any] = kept, **_: Any) -> None:  # noqa: ANN401
            if stage == "embeddings" and artifact is not None and artifact.ndim == 3:
                kept["embeddings"] = artifact.copy()

        file = {"waveform": waveform(path), "sample_rate": 16000, "uri": name}
        wall, cpu = time.perf_counter(), time.process_time()
        turns = pipeline(file, hook=keep).speaker_diarization
        kept |= {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        found[name] = {**kept, "turns": [(s.start, s.end, who) for s, _, who in turns.itertracks(yield_label=True)]}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"clips": found, "start": start, "mib": peak}


def error_rate(path: Path, turns: list[tuple[float, float, str]]) -> float:
    """DER against the reference: collar 0, overlap scored."""
    from pyannote.core import Annotation, Segment, Timeline
    from pyannote.database.util import load_rttm
    from pyannote.metrics.diarization import DiarizationErrorRate

    hypothesis = Annotation()
    for i, (start, end, who) in enumerate(turns):
        hypothesis[Segment(start, end), i] = who
    reference = next(iter(load_rttm(path.with_suffix(".rttm")).values()))
    whole = Timeline([Segment(0, waveform(path).shape[1] / 16000)])
    return float(DiarizationErrorRate()(reference, hypothesis, uem=whole))


def run(side: str, batch: int, threads: int, folder: Path | None) -> dict[str, Any]:
    """`measure` in a process of its own."""
    with tempfile.NamedTemporaryFile() as answer:
        command = [sys.executable, __file__, "--side", side, "--answer", answer.name]
        command += ["--batch", str(batch), "--threads", str(threads)]
        subprocess.run([*command, *([str(folder)] if folder else [])], check=True, env=os.environ)
        result: dict[str, Any] = pickle.load(answer)  # noqa: S301  # written by our own child
    return result


def compare(folder: Path | None, batch: int, threads: int, repeats: int) -> None:
    """Alternate the sides and print the table: medians, ratios within a pair of runs, agreement."""
    paths = clips(folder)
    runs: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
    for _ in range(repeats):
        for side in SIDES:
            runs[side].append(run(side, batch, threads, folder))
    print(
        "| clip | length | stock wall, CPU (s) | exact wall, CPU (s) | wall ratio | CPU ratio | DER | turns | embeddings |"  # noqa: E501
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- | ---: |")
    for name, path in paths.items():
        figures = {side: [one["clips"][name] for one in runs[side]] for side in SIDES}
        stock, exact = figures["stock"], figures["exact"]
        cells = [
            f"{median(f['wall'] for f in side):.1f}, {median(f['cpu'] for f in side):.1f}" for side in (stock, exact)
        ]
        ratios = [f"{median(a[k] / b[k] for a, b in zip(stock, exact, strict=True)):.1f}" for k in ("wall", "cpu")]
        errors = " / ".join(f"{100 * error_rate(path, side[0]['turns']):.1f} %" for side in (stock, exact))
        same = "identical" if all(f["turns"] == stock[0]["turns"] for f in exact) else "DIFFERENT"
        apart = max(float(np.abs(f["embeddings"] - stock[0]["embeddings"]).max()) for f in exact)
        length = waveform(path).shape[1] / 16000
        print(f"| {name} | {length:.0f} s |", " | ".join([*cells, *ratios, errors, same, f"{apart:.1e}"]), "|")
    for label, total in (("all clips, wall", "wall"), ("all clips, CPU", "cpu")):
        sums = {side: [sum(f[total] for f in one["clips"].values()) for one in runs[side]] for side in SIDES}
        ratio = median(a / b for a, b in zip(sums["stock"], sums["exact"], strict=True))
        print(f"\n{label}: stock {median(sums['stock']):.1f} s, exact {median(sums['exact']):.1f} s, ratio {ratio:.2f}")
    for side in SIDES:
        mib, start = (median(one[key] for one in runs[side]) for key in ("mib", "start"))
        print(f"{side}: peak {mib:.0f} MiB, import and load {start:.1f} s")
    print(json.dumps({"repeats": repeats, "stock_batch": batch, "stock_threads": threads, "cores": os.cpu_count()}))


def main() -> None:
    """Read the arguments; be the parent or one of its runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--answer", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        answer = measure(options.side, options.batch, options.threads, clips(options.folder))
        options.answer.write_bytes(pickle.dumps(answer))
    else:
        compare(options.folder, options.batch, options.threads, options.repeats)


if __name__ == "__main__":
    main()

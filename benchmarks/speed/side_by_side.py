"""Stock pyannote.audio, the exact engine, the shared engine and senko, side by side on the same audio.

Usage: python benchmarks/speed/side_by_side.py [FOLDER] [--repeats N] [--lengths 30,600,14400] [--stock-up-to SEC]
           [--sides stock exact shared shared_amp senko stock_frugal] [--environments DIR] [--models SET]
           [--warm-up SEC] [--seconds SEC]

FOLDER holds NAME.wav (16 kHz mono) with NAME.rttm; the recording that pyannote.audio ships comes first. The sides
alternate, each run in a process of its own that loads, warms up on a clip, then takes every clip. senko gets an
environment of its own, made with uv below `.side_by_side/` where it is missing: it takes Silero to find speech, since
its other detector runs only on GPUs. Where the processor lacks AVX-512, which its wheel is compiled for, torchaudio's
filter bank stands in for its own. `--lengths` adds one long file per length, the clips joined over and over; stock
takes those up to `--stock-up-to` seconds. Prints the tables of docs/lab_notes/measurements.md, "Side by side".

Stock runs with one torch thread per core that it may use, at batch 1 for the offline set and as its config has it for
another one (`--models`: a hub id or a folder); `stock_frugal` with one thread at batch 1, its cheapest. The engines
have one worker per core, as in production, and all hear levelled samples. senko hears what the others hear, through the
16 bits that it insists on, and with networks of its own. `--seconds` takes the beginning of each clip alone.
"""

import argparse
import json
import os
import pickle
import resource
import signal
import subprocess
import sys
import tempfile
import time
from operator import add, truediv
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
SIDES = ("stock", "exact", "shared", "shared_amp", "senko")
STOCK = ("stock", "stock_frugal")
SENKO = "senko==0.2.2"
RATE = 16000
WARM_UP_SEC = 30
"""As long as a clip: kernels are made for the shapes that they meet, and memory is taken once."""


def samples_of(path: Path) -> np.ndarray:
    """(samples,) float32 of a WAV file."""
    from scipy.io import wavfile

    _, samples = wavfile.read(path)
    return (samples / np.float32(32768 if samples.dtype == np.int16 else 1)).astype(np.float32)


def audio(folder: Path | None, lengths: list[int]) -> dict[str, np.ndarray]:
    """Name to samples: the clips, then one file per length made of them all."""
    from tasks.engine.media.sample import recording_path

    more = sorted(folder.glob("*.wav")) if folder else []
    paths = [recording_path(), *(path for path in more if path.with_suffix(".rttm").is_file())]
    clips = {path.stem: samples_of(path) for path in paths}
    everything = np.concatenate(list(clips.values()))
    return clips | {f"{length} s": np.resize(everything, length * RATE) for length in lengths}


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def engine_side(name: str, models: str) -> Any:  # noqa: ANN401  # a function of (samples,) to turns
    """The exact or shared engine as a run of the project would plan it."""
    from profiles.settings import Configuration
    from tasks.device import plan_device
    from tasks.engine.devices.facts import probe
    from tasks.engine.inference.diarizer import diarize
    from tasks.engine.inference.types import Parameters

    profile = {"exact": "cpu"}.get(name, name)
    plan = plan_device(Configuration.resolve({"profile": profile, "device": "cpu"}, env_file=None), probe())
    print(f"{name}: {plan.precision}", file=sys.stderr)

    def turns(samples: np.ndarray) -> list[tuple[float, float, str]]:
        found = diarize(samples, plan, Parameters(models=models, min_speech_sec=0.0))
        return [(turn.start, turn.end, turn.speaker) for turn in found.turns]

    return turns


def stock_side(name: str, models: str) -> Any:  # noqa: ANN401  # as above
    """pyannote.audio's own pipeline with the same networks and parameters, on equally levelled samples."""
    import torch

    from tasks.engine.inference.level import gain

    torch.set_num_threads(1 if name == "stock_frugal" else cores())
    stock = stock_offline() if models == "offline" else stock_set(models)
    if name == "stock_frugal":
        stock.embedding_batch_size = stock.segmentation_batch_size = 1

    def turns(samples: np.ndarray) -> list[tuple[float, float, str]]:
        levelled = torch.from_numpy(samples * np.float32(gain(samples)))[None]
        found = stock({"waveform": levelled, "sample_rate": RATE, "uri": "audio"}).speaker_diarization
        return sorted((segment.start, segment.end, who) for segment, _, who in found.itertracks(yield_label=True))

    return turns


def stock_offline() -> Any:  # noqa: ANN401  # a pyannote pipeline
    """The offline networks under stock's pipeline."""
    from pyannote.audio import Model
    from pyannote.audio.pipelines import SpeakerDiarization

    from tasks.engine.inference import loading
    from tasks.engine.inference.pyannote_adapter import NoPLDA
    from tasks.engine.models import registry

    ours: Any = loading.load("offline")
    return SpeakerDiarization(
        # Read anew: in our pipeline it has another front end, which checks what it gives.
        segmentation=Model.from_pretrained(str(registry.models_folder() / registry.SEGMENTATION.file)),
        embedding=ours.embedding_network,
        clustering="AgglomerativeClustering",
        plda=NoPLDA(),
    ).instantiate(loading.OFFLINE_PARAMETERS)


def stock_set(models: str) -> Any:  # noqa: ANN401  # as above
    """A set of the hub or of a folder, as pyannote loads it."""
    from tasks.engine.inference import loading
    from tasks.engine.inference.pyannote_adapter import NoPLDA
    from tasks.engine.models import registry  # before pyannote: it silences what that warns of when it is imported

    loading.allow_pyannote_checkpoints()
    from pyannote.audio import Pipeline

    config: Any = dict(registry.find(models).config)
    config["pipeline"]["params"].setdefault("plda", NoPLDA())
    return Pipeline.from_pretrained(config)


def senko_side() -> Any:  # noqa: ANN401  # as above
    """Senko on CPU."""
    import senko

    diarizer = senko.Diarizer(device="cpu", vad="silero", warmup=False, quiet=True)
    if "avx512f" not in Path("/proc/cpuinfo").read_text(encoding="utf-8"):
        diarizer._extract_fbank_features = filter_bank_of_file  # noqa: SLF001  # its own ends in SIGILL there

    def turns(samples: np.ndarray) -> list[tuple[float, float, str]]:
        found = diarizer.diarize_samples(samples, RATE)
        return [
            (one["start"], one["end"], one["speaker"]) for one in (found or {"merged_segments": []})["merged_segments"]
        ]

    return turns


def filter_bank_of_file(
    samples: np.ndarray, pieces: list[tuple[float, float]], **_: object
) -> tuple[np.ndarray, list[int], list[int], int]:
    """What senko's extractor returns, for a processor without AVX-512: torchaudio's, computed once for all pieces.

    senko computes a piece at a time, 2.5 times each second of audio: this stand-in is in its favour.

    Returns:
        The pieces' (frames, 80) features, flat; the frames of each; where each begins; 80.
    """
    import torch
    import torchaudio

    whole = torchaudio.compliance.kaldi.fbank(torch.from_numpy(samples)[None], num_mel_bins=80, dither=0.0)
    spans = [(int(start * 100), max(int(start * 100) + 1, int(end * 100) - 2)) for start, end in pieces]
    found = [whole[first:stop] - whole[first:stop].mean(dim=0) for first, stop in spans]
    frames = [len(one) for one in found]
    offsets = np.cumsum([0, *frames[:-1]]) * 80
    return torch.cat(found).flatten().numpy(), frames, offsets.tolist(), 80


def measure(side: str, files: dict[str, np.ndarray], models: str, warm_up: int) -> dict[str, Any]:
    """Run one side on every file in this process: turns, wall and CPU seconds of each, MiB at the process's peak."""
    turns = senko_side() if side == "senko" else (stock_side if side in STOCK else engine_side)(side, models)
    turns(next(iter(files.values()))[: warm_up * RATE])
    found = {}
    for name, samples in files.items():
        wall, cpu = time.perf_counter(), time.process_time()
        said = turns(samples)
        found[name] = {"turns": said, "wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    return {"files": found, "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def interpreter(side: str, folder: Path) -> str:
    """The Python that has a side's packages; senko's environment is made where it is missing."""
    if side != "senko":
        return sys.executable
    python = folder / "senko" / "bin" / "python"
    if not python.exists():
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(folder / "senko")], check=True)
        packages = [SENKO, "torch==2.11.0", "torchaudio==2.11.0", "scipy"]
        subprocess.run([*uv, "pip", "install", "--quiet", "--python", str(python), *packages], check=True)
    return str(python)


def run(side: str, files: dict[str, np.ndarray], options: argparse.Namespace) -> dict[str, Any]:
    """`measure` in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        given, answer = Path(folder) / "given.npz", Path(folder) / "answer"
        np.savez(given, **files)
        command = [interpreter(side, options.environments), __file__, "--side", side, "--given", str(given)]
        command += ["--models", options.models, "--warm-up", str(options.warm_up)]
        ended = subprocess.run([*command, "--answer", str(answer)], check=False).returncode
        if side == "senko" and ended < 0:
            raise SideFailedError(f"{side} ended with {signal.strsignal(-ended)}")
        if ended:
            raise SystemExit(f"{side} ended with {ended}")
        result: dict[str, Any] = pickle.loads(answer.read_bytes())  # noqa: S301  # written by our own child
    return result


class SideFailedError(Exception):
    """The peer cannot run on this machine: its compiled parts crash."""


def errors(path: Path, turns: list[tuple[float, float, str]], seconds: float) -> tuple[float, float]:
    """(wrong, total) seconds of reference speech: collar 0, overlap scored."""
    from pyannote.core import Annotation, Segment, Timeline
    from pyannote.database.util import load_rttm
    from pyannote.metrics.diarization import DiarizationErrorRate

    said = Annotation()
    for i, (start, end, who) in enumerate(turns):
        said[Segment(start, end), i] = str(who)
    reference = next(iter(load_rttm(path.with_suffix(".rttm")).values()))
    parts = DiarizationErrorRate().compute_components(reference, said, uem=Timeline([Segment(0, seconds)]))
    return parts["false alarm"] + parts["missed detection"] + parts["confusion"], parts["total"]


def alternate(
    files: dict[str, np.ndarray], sides: list[str], repeats: int, options: argparse.Namespace
) -> dict[str, list[Any]]:
    """Each side's runs on the same files, the sides taking turns; a side that cannot run is left out, and said so."""
    runs: dict[str, list[Any]] = {side: [] for side in sides}
    for _ in range(repeats):
        for side in list(runs):
            try:
                runs[side].append(run(side, files, options))
            except SideFailedError as error:
                print(f"Left out: {error}.\n", flush=True)
                del runs[side]
                continue
            print(f"{side}: {sum(one['cpu'] for one in runs[side][-1]['files'].values()):.1f} s", file=sys.stderr)
    return runs


def clip_table(runs: dict[str, list[Any]], clips: dict[str, np.ndarray], paths: dict[str, Path]) -> None:
    """Medians over all clips, ratios within a repeat, error rates."""
    seconds = sum(len(samples) for samples in clips.values()) / RATE
    first = next(iter(runs))
    print(
        f"| side | wall s | CPU s | real time, wall | wall, {first} / side | CPU, {first} / side | peak MiB "
        f"| DER, pooled | worst | as {first} |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- | --- |")
    spent = {
        side: {kind: [sum(one[kind] for one in r["files"].values()) for r in each] for kind in ("wall", "cpu")}
        for side, each in runs.items()
    }
    for side, each in runs.items():
        totals = spent[side]
        faster = {kind: median(map(truediv, spent[first][kind], totals[kind])) for kind in totals}
        found = each[0]["files"]
        parts = {name: errors(paths[name], found[name]["turns"], len(clips[name]) / RATE) for name in clips}
        worst = max(parts, key=lambda name: parts[name][0] / parts[name][1])
        pooled = sum(wrong for wrong, _ in parts.values()) / sum(total for _, total in parts.values())
        alike = sum(sorted(found[n]["turns"]) == runs[first][0]["files"][n]["turns"] for n in clips)
        print(
            f"| {side} | {median(totals['wall']):.1f} | {median(totals['cpu']):.1f} "
            f"| {seconds / median(totals['wall']):.1f} x | {faster['wall']:.2f} | {faster['cpu']:.2f} "
            f"| {median(r['mib'] for r in each):.0f} "
            f"| {100 * pooled:.1f} % | {worst} {100 * parts[worst][0] / parts[worst][1]:.1f} % "
            f"| {alike} of {len(clips)} |"
        )
    if {"stock", "exact", "shared"} <= runs.keys():
        for kind in ("wall", "cpu"):
            both = map(add, spent["exact"][kind], spent["shared"][kind])
            share = median(map(truediv, both, spent["stock"][kind]))
            print(f"\nCandidate (shared) and reference (exact), {kind}: {share:.2f} of a stock run.")


def main() -> None:
    """Read the arguments; be the parent or one of its runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--lengths", default="", help="seconds of long files, separated by commas")
    parser.add_argument("--stock-up-to", type=int, default=600)
    parser.add_argument("--sides", nargs="+", choices=(*SIDES, "stock_frugal"), default=SIDES)
    parser.add_argument("--models", default="offline", help="a hub id or a folder, for all but senko")
    parser.add_argument("--seconds", type=int, default=None, help="of each clip")
    parser.add_argument("--warm-up", type=int, default=WARM_UP_SEC, help="seconds of the first clip")
    parser.add_argument("--environments", type=Path, default=ROOT / ".side_by_side")
    for name in ("--side", "--given", "--answer"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        with np.load(options.given) as given:
            files = {name: given[name] for name in given.files}
            answer = measure(options.side, files, options.models, options.warm_up)
        Path(options.answer).write_bytes(pickle.dumps(answer))
        return
    from tasks.engine.media.sample import recording_path

    whole = audio(options.folder, [])
    clips = {n: samples[: options.seconds and options.seconds * RATE] for n, samples in whole.items()}
    paths = {"sample": recording_path()} | {n: options.folder / f"{n}.wav" for n in clips if n != "sample"}
    clip_table(alternate(clips, options.sides, options.repeats, options), clips, paths)
    print("\n| length | side | wall s | CPU s | CPU s per audio hour | peak MiB |")
    print("| ---: | --- | ---: | ---: | ---: | ---: |")
    for length in [int(text) for text in options.lengths.split(",") if text]:
        long = {name: samples for name, samples in audio(options.folder, [length]).items() if name == f"{length} s"}
        sides = [side for side in options.sides if side not in STOCK or length <= options.stock_up_to]
        for side, (one, *_) in alternate(long, sides, 1, options).items():
            took = one["files"][f"{length} s"]
            hourly = took["cpu"] * 3600 / length
            print(f"| {length} s | {side} | {took['wall']:.1f} | {took['cpu']:.1f} | {hourly:.0f} | {one['mib']:.0f} |")
    print(json.dumps({"repeats": options.repeats, "cores": cores()}))


if __name__ == "__main__":
    main()

"""Whole runs of ten minutes and of four hours: peak memory, and seconds per hour of audio.

Usage: python benchmarks/speed/four_hours.py FOLDER [--lengths 600,14400] [--profiles cpu shared] [--slide SEC]
           [--models SET]

FOLDER holds NAME.wav (16 kHz mono). Each length is one file, the clips joined over and over, and each run a process of
its own: `step4 run`, from the file to the published timeline, held against nothing (`cpu` is the reference itself).
Every round is a little louder than the one before and begins `--slide` seconds later in the window's step, so that no
two embeddings repeat. SET is a hub id or a folder. Prints the table of docs/lab_notes/measurements.md, "Four hours"; of
docs/lab_notes/resnet34.md for a ResNet34.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import wavfile
from side_by_side import RATE, ROOT, audio


def joined(folder: Path, seconds: int, slide: float) -> np.ndarray:
    """(samples,) int16: the clips round after round, each 1 % louder than the last up to twice as loud."""
    clips = np.concatenate(list(audio(folder, []).values()))
    rounds = []
    while sum(map(len, rounds)) < seconds * RATE:
        turn = len(rounds)
        louder = np.clip(clips * np.float32(0.4 * 1.01 ** (turn % 70)) * 32767, -32768, 32767).astype(np.int16)
        rounds.append(np.concatenate([np.zeros(round(turn * slide * RATE) % RATE, np.int16), louder]))
    return np.concatenate(rounds)[: seconds * RATE]


def run(video: Path, profile: str, output: Path, models: str) -> dict[str, Any]:
    """One run in a process of its own: wall and CPU seconds, those of the engine once loaded, and MiB at the peak."""
    figures = output.parent / "figures"
    environment = os.environ | {"ENABLE_AUDIO_PROFILING": "true", "STEP4_DIAGNOSTICS_DIR": str(figures)}
    command = [sys.executable, "-m", "flows.cli.main", "run", str(video), "--profile", profile, "--reference", "none"]
    began = time.perf_counter()
    command += ["--output", str(output), "--models", models, "--json"]
    child = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE)
    said = child.stdout.read() if child.stdout else b""
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    (found,) = json.loads(said)["runs"]
    if child.returncode:
        raise SystemExit(found["error"])
    (measured,) = figures.glob("profiling/*.json")
    print(measured.read_text(), file=sys.stderr)
    (inference,) = json.loads(measured.read_text())["inferences"]
    engine = sum(stage["seconds"] for stage in inference["stages"] if stage["stage"] != "load")
    cpu, wall = usage.ru_utime + usage.ru_stime, time.perf_counter() - began
    return {
        "device": found["manifest"]["device"],
        "engine": engine,
        "wall": wall,
        "cpu": cpu,
        "mib": usage.ru_maxrss / 1024,
    }


def main() -> None:
    """Print a row per run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lengths", default="600,14400")
    parser.add_argument("--profiles", nargs="+", default=["cpu", "shared"])
    parser.add_argument("--slide", type=float, default=0.137)
    parser.add_argument("--models", default="offline", help="a hub id or a folder")
    options = parser.parse_args()
    names = ("engine", "length", "wall s", "engine s", "engine s per audio hour", "CPU s", "peak MiB", "linkage")
    print(f"| {' | '.join(names)} |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |", flush=True)
    for profile in options.profiles:
        for seconds in map(int, options.lengths.split(",")):
            with tempfile.TemporaryDirectory() as folder:
                video = Path(folder) / "joined.wav"
                wavfile.write(video, RATE, joined(options.folder, seconds, options.slide))
                one = run(video, profile, Path(folder) / "out", options.models)
            device, hourly = one["device"], one["engine"] * 3600 / seconds
            print(
                f"| {device['engine']} | {seconds} s | {one['wall']:.0f} | {one['engine']:.1f} | {hourly:.0f} "
                f"| {one['cpu']:.0f} | {one['mib']:.0f} | {device['linkage']} |",
                flush=True,
            )


if __name__ == "__main__":
    main()

"""Writes, reads and compares timelines of ten minutes and of ten hours: seconds, and how memory grows.

Run: ``python benchmarks/speed/ten_hours.py [HOURS]``. Each figure comes from a process of its own, best of
three; memory is the process's peak above what it held once the modules were loaded.
"""

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tasks.engine.core.frames import FrameGrid
from tasks.engine.core.timeline import rows, summarise
from tasks.engine.core.turns import SpeechScores, Turn
from tasks.engine.formats import audio_json, timeline_parquet
from tasks.engine.formats.detect import load_timeline
from tasks.engine.gate.measurements import measure
from tasks.engine.gate.verdict import compare

FPS = Fraction(25)
SPEAKERS = 6
MODEL_STEP = 0.016875
REPEATS = 3


def synthetic(seconds: int, seed: int) -> tuple[list[Turn], SpeechScores, FrameGrid]:
    """Turns of one to eight seconds by six speakers, some overlapping, and random scores."""
    chance = random.Random(seed)  # noqa: S311  # repeatable on purpose
    turns, now = [], 0.0
    while now < seconds:
        end = min(now + chance.uniform(1, 8), float(seconds))
        turns.append(Turn(now, end, f"SPEAKER_{chance.randrange(SPEAKERS):02}"))
        now = end + chance.uniform(-1, 2)
    scores = np.random.default_rng(seed).random(int(seconds / MODEL_STEP), dtype=np.float32)
    return turns, SpeechScores(scores, 0.0, MODEL_STEP), FrameGrid(int(seconds * FPS), FPS)


def phases(folder: Path, seconds: int) -> dict[str, Callable[[], object]]:
    """What is measured, in the order in which the files come into being."""
    parquet, document = folder / "clip_timeline.parquet", folder / "clip_audio.json"
    turns, scores, grid = synthetic(seconds, seed=1)

    def write_parquet() -> None:
        summary = summarise(rows(turns, scores, grid), FPS)
        source = {"name": "clip.mp4", "fps": str(FPS)}
        timeline_parquet.write(parquet, rows(turns, scores, grid), {"source": source, "summary": summary.to_dict()})

    def write_json() -> None:
        batches = rows(turns, scores, grid)
        audio_json.write(document, batches, video_filename="clip.mp4", total_frames=grid.count, fps=FPS)

    return {
        "write Parquet": write_parquet,
        "write JSON": write_json,
        "read Parquet": lambda: load_timeline(parquet),
        "read JSON": lambda: load_timeline(document),
        "compare two, loaded": lambda: None,
        "compare Parquet with Parquet": lambda: compare(load_timeline(parquet), load_timeline(parquet)),
        "compare Parquet with JSON": lambda: compare(load_timeline(parquet), load_timeline(document)),
    }


def run_phase(folder: Path, seconds: int, name: str) -> tuple[float, float]:
    """Seconds and MiB of peak growth of one phase, in this process."""
    work = phases(folder, seconds)[name]
    if name == "compare two, loaded":
        one, other = (load_timeline(folder / "clip_timeline.parquet") for _ in range(2))
        work = lambda: measure(one, other)  # noqa: E731  # the same shape as the others
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    work()
    elapsed = time.perf_counter() - start
    return elapsed, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def measured(folder: Path, seconds: int, name: str) -> tuple[float, float]:
    """The same in fresh processes; the best of several."""
    command = [sys.executable, __file__, "--phase", str(folder), str(seconds), name]
    done = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(REPEATS)]
    results = [json.loads(text) for text in done]
    return min(result[0] for result in results), min(result[1] for result in results)


def main(hours: float = 10) -> None:
    """Print the table."""
    lengths = {"10 minutes": 600, f"{hours:g} hours": round(hours * 3600)}
    print(f"| phase | {' | '.join(f'{label}, s | MiB' for label in lengths)} |")
    print(f"| --- | {' | '.join('---: | ---:' for _ in lengths)} |")
    with tempfile.TemporaryDirectory() as temporary:
        folders = {label: Path(temporary) / label for label in lengths}
        for folder in folders.values():
            folder.mkdir()
        for name in phases(Path(temporary), 1):
            cells = [measured(folders[label], seconds, name) for label, seconds in lengths.items()]
            print(
                f"| {name} | {' | '.join(f'{elapsed:.2f} | {growth:.0f}' for elapsed, growth in cells)} |", flush=True
            )
        for file in sorted(folders[f"{hours:g} hours"].iterdir()):
            print(f"{file.name}: {file.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--phase"]:
        print(json.dumps(run_phase(Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])))
    else:
        main(*map(float, sys.argv[1:2]))

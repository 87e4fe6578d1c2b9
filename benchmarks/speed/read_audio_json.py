"""How long reading an `_audio.json` takes, and how much memory: python benchmarks/speed/read_audio_json.py [FRAMES]."""

import gzip
import sys
import tempfile
import time
import tracemalloc
from fractions import Fraction
from pathlib import Path

import numpy as np

from tasks.engine.core.frames import FrameGrid
from tasks.engine.core.timeline import rows
from tasks.engine.core.turns import SpeechScores, Turn
from tasks.engine.formats import audio_json
from tasks.engine.formats.detect import load_timeline

REPEATS = 5


def main() -> None:
    """Write a document, read it plain and zipped, print the best time and the peak of Python's memory."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    grid = FrameGrid(count, Fraction(25))
    turns = [Turn(second, second + 0.7, f"SPEAKER_{second % 4:02}") for second in range(count // 25)]
    table = rows(turns, SpeechScores(np.zeros(0, np.float32), 0.0, 1.0), grid)
    with tempfile.TemporaryDirectory() as folder:
        plain, zipped = Path(folder) / "clip_audio.json", Path(folder) / "clip_audio.json.gz"
        audio_json.write(plain, table, video_filename="clip.mp4", total_frames=count, fps=grid.fps)
        zipped.write_bytes(gzip.compress(plain.read_bytes(), 6))
        print("| file | MB | seconds | peak MB |\n| --- | --- | --- | --- |")
        for path in (plain, zipped):
            size = path.stat().st_size / 1e6
            print(f"| {path.name}, {count} frames | {size:.1f} | {best(path):.2f} | {peak(path):.1f} |")


def best(path: Path) -> float:
    """Seconds of the fastest of several reads."""
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        load_timeline(path)
        times.append(time.perf_counter() - started)
    return min(times)


def peak(path: Path) -> float:
    """Megabytes that Python held at most while reading."""
    tracemalloc.start()
    load_timeline(path)
    top = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return top / 1e6


if __name__ == "__main__":
    main()

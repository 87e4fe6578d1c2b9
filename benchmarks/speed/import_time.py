"""What the engines' imports take, with and without deferring what pyannote.audio imports for training.

    python benchmarks/speed/import_time.py [--rounds 3]

Processor seconds of a fresh process, bytecode compiled, in alternation; beside them what torch and SciPy take alone,
which no engine can do without. Prints a Markdown table of medians.
"""

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENGINES = "import tasks.engine.inference.exact, tasks.engine.inference.shared, tasks.engine.models.campplus"
SIDES = {
    "torch and SciPy alone": "import torch, scipy.cluster.hierarchy, scipy.spatial.distance, scipy.optimize",
    "the engines, all imported": f"import tasks.engine.models.deferred_imports as d; d.DEFERRED = (); {ENGINES}",
    "the engines, deferred": ENGINES,
}


def measure(code: str) -> tuple[float, int]:
    """Processor seconds and modules of a process that runs nothing but this."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    tail = "; import sys, time; print(time.process_time(), len(sys.modules))"
    said = subprocess.run(
        [sys.executable, "-c", code + tail],
        env=kept | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    return float(said[0]), int(said[1])


def main() -> None:
    """Take the sides in turns, after one round that compiles."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    taken: dict[str, list[float]] = {side: [] for side in SIDES}
    modules = {side: measure(code)[1] for side, code in SIDES.items()}
    for _ in range(rounds):
        for side, code in SIDES.items():
            taken[side].append(measure(code)[0])
    print("| imported | processor s | least to most | modules |\n| --- | ---: | ---: | ---: |")
    for side, seconds in taken.items():
        median, span = statistics.median(seconds), f"{min(seconds):.2f} to {max(seconds):.2f}"
        print(f"| {side} | {median:.2f} | {span} | {modules[side]} |")


if __name__ == "__main__":
    main()

"""What a reference by sample costs beside the whole one: CPU seconds and peak memory, by length of the audio.

    python benchmarks/speed/sampled_reference.py [MINUTES ...]

The shipped recording in a row. One process a side, on two workers; loading left out. The whole reference is the exact
engine on the CPU; the sampled one is its windows and the check behind them (`inference.recomputation`, `spot_check`).
Prints a Markdown table.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]
WINDOW_SEC = 10
MIB = 1024


def audio(minutes: float) -> NDArray[np.float32]:
    """(samples,) of that many minutes, with noise at the last bit so that no two windows are alike."""
    from tasks.engine.media.sample import recording

    count = round(minutes * 60 * 16000)
    noise = np.random.default_rng(1).normal(scale=1e-4, size=count)
    return (np.resize(recording(), count) + noise).astype(np.float32)


def one_side(side: str, minutes: float, candidate: Path) -> None:
    """Compute one side in this process, and print what it took as JSON; `candidate`: where its windows are kept."""
    from speech import cpu_plan

    from tasks.engine.core.constants import ASSUMED_FPS
    from tasks.engine.core.frames import FrameGrid
    from tasks.engine.core.timeline import timeline_of
    from tasks.engine.inference.diarizer import diarize
    from tasks.engine.inference.recomputation import recompute, replay
    from tasks.engine.inference.types import Parameters
    from tasks.engine.inference.window_outputs import Recomputed, WindowOutputs
    from tasks.engine.spot_check.check import spot_check
    from tasks.engine.spot_check.choice import choose

    samples, plan, parameters = audio(minutes), cpu_plan(), Parameters()
    diarize(samples[: 11 * 16000], plan, parameters)
    began = time.process_time()
    if side == "whole":
        kept = diarize(samples, plan, parameters, keep_windows=True).windows
        report(began, 0.0)
        np.savez(candidate, **{field.name: getattr(kept, field.name) for field in fields(WindowOutputs)})
        return
    sample = recompute(samples, plan, parameters, lambda windows, overlap: choose(windows, overlap, (1, 2)))
    spent = time.process_time() - began
    if sample is None:
        raise SystemExit("the model set does not work window by window")
    with np.load(candidate) as entry:
        windows = WindowOutputs(**entry)
    grid = FrameGrid(int(len(samples) / 16000 * ASSUMED_FPS), ASSUMED_FPS)
    again = replay(windows, samples, plan, parameters).diarization
    table = timeline_of(again.turns, again.scores, grid)
    began = time.process_time()

    def again(places: NDArray[np.int64]) -> Recomputed | None:
        return recompute(samples, plan, parameters, lambda *_: places)

    found = spot_check(windows, table, sample, samples, "", plan, parameters, grid, 2, again).spot_check
    if found is None or found.doubts:
        raise SystemExit(f"the same computation is doubted: {found}")
    report(began - spent, time.process_time() - began, len(found.outliers))


def report(began: float, check: float, outliers: int = 0) -> None:
    """Print CPU seconds, those of the check among them, the peak of memory, and windows computed beside the drawn."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB
    seconds = {"cpu": time.process_time() - began, "check": check}
    print(json.dumps({**seconds, "peak": peak, "outliers": outliers}))


def measured(side: str, minutes: float, candidate: Path) -> dict[str, float]:
    """Compute one side in a process of its own."""
    command = [sys.executable, __file__, side, str(minutes), candidate]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(lengths: list[float], run: Callable[[str, float, Path], dict[str, float]] = measured) -> None:
    """Print a row per length."""
    print(
        "| audio, min | whole, CPU s | by sample, CPU s | of it the check | outliers | ratio | whole, peak MiB "
        "| by sample |"
    )
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for minutes in lengths:
        with tempfile.TemporaryDirectory() as folder:
            candidate = Path(folder) / "candidate.npz"
            whole, sample = run("whole", minutes, candidate), run("sampled", minutes, candidate)
        cells = [
            f"{minutes:g}",
            f"{whole['cpu']:.1f}",
            f"{sample['cpu']:.1f}",
            f"{sample['check']:.1f}",
            f"{sample['outliers']:.0f}",
            f"{sample['cpu'] / whole['cpu']:.3f}",
            f"{whole['peak']:.0f}",
            f"{sample['peak']:.0f}",
        ]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] in (["whole"], ["sampled"]):
        one_side(sys.argv[1], float(sys.argv[2]), Path(sys.argv[3]))
    else:
        main([float(text) for text in sys.argv[1:]] or [10.0, 60.0, 240.0])

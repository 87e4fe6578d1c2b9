"""Seconds of a warm run beyond its inference: extraction, gate, files, Prefect's flow, tasks and artifacts.

Usage: python benchmarks/speed/run_overhead.py VIDEO [REPEATS] [PROFILE]

One process takes REPEATS copies of the video with `step4 run`, held against nothing (`cpu` is the reference itself).
From one publication to the next is a whole run. The copies are alike, so the first run's inference serves them all;
where one is inferred again, what that took, by the run's own profile, is taken off. The first run is left out: it
imports and loads. Prints the table of docs/lab_notes/measurements.md, "A warm run".
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    """Print a row."""
    video, repeats = Path(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else 8
    profile = sys.argv[3] if sys.argv[3:] else "cpu"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copies = [folder / f"clip{number:02d}{video.suffix}" for number in range(repeats + 1)]
        for copy in copies:
            shutil.copyfile(video, copy)
        environment = os.environ | {"ENABLE_AUDIO_PROFILING": "true", "STEP4_DIAGNOSTICS_DIR": str(folder / "figures")}
        command = [sys.executable, "-m", "flows.cli.main", "run", *map(str, copies), "--profile", profile]
        subprocess.run(
            [*command, "--reference", "none"], cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL
        )
        published = [(folder / f"{copy.stem}_step4.json").stat().st_mtime for copy in copies]
        taken = {}
        for file in (folder / "figures").glob("profiling/*.json"):
            run = json.loads(file.read_text())
            taken[Path(run["video"]).stem] = sum(one["seconds"] for one in run["inferences"])
    whole = [later - earlier for earlier, later in pairwise(published)]
    beyond = [seconds - taken[copy.stem] for seconds, copy in zip(whole, copies[1:], strict=True)]
    least, most = min(beyond), max(beyond)
    print("| profile | runs | whole run, median s | beyond inference, median s | least | most |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    print(f"| {profile} | {repeats} | {median(whole):.2f} | {median(beyond):.2f} | {least:.2f} | {most:.2f} |")


if __name__ == "__main__":
    main()

"""Seconds around the inference: how long `step4` takes to answer, in alternation with an earlier commit.

    python benchmarks/speed/start_up.py [--before COMMIT] [--rounds 3]

Both sides run with this environment's packages, bytecode compiled, each in a checkout of its own. A case's seconds are
those of the whole process; "beyond inference" leaves out what ENABLE_AUDIO_PROFILING measured of the networks and of
clustering, not the loading of models. Prints a
Markdown table of medians.
"""

import argparse
import compileall
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BATCH = 24
"""Clips of ten seconds in the batch."""


@contextmanager
def checkout(commit: str) -> Iterator[Path]:
    """A checkout of a commit, its bytecode compiled, with this one's models."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "step4"
        subprocess.run(["git", "clone", "--quiet", ROOT, path], check=True)
        subprocess.run(["git", "-C", path, "checkout", "--quiet", commit], check=True)
        for package in ("flows", "tasks", "profiles"):
            compileall.compile_dir(path / package, quiet=1)
        yield path


def environment(side: Path) -> dict[str, str]:
    """What a command of one side finds: no server, no settings, the models of this checkout."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "STEP4_", "AUDIO_"))}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept | {"PYTHONPATH": str(side), "STEP4_MODELS_DIR": str(ROOT / "models"), "STEP4_CACHE_DIR": "/nonexistent"}


def command(
    side: Path, *arguments: str | Path, models: Path | None = None, profiling: Path | None = None
) -> tuple[float, int, str]:
    """Seconds, exit code and stdout of `step4` on one side; `profiling`: where to leave what the run took."""
    entry = "flows.cli.main" if (side / "flows" / "cli").is_dir() else "flows.cli"
    settings = environment(side) | ({"STEP4_MODELS_DIR": str(models)} if models else {})
    if profiling:
        settings |= {"ENABLE_AUDIO_PROFILING": "true", "STEP4_DIAGNOSTICS_DIR": str(profiling)}
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", entry, *map(str, arguments)],
        env=settings,
        cwd=side,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    return time.perf_counter() - began, done.returncode, done.stdout


def clips(folder: Path) -> None:
    """`clip.mp4` and `clip.wav` of 30 s, and the batch's, all of the shipped recording."""
    import imageio_ffmpeg

    from tasks.engine.media.sample import recording_path

    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-nostdin"]
    picture = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=30"]
    subprocess.run([*ffmpeg, *picture, "-i", recording_path(), "-shortest", folder / "clip.mp4"], check=True)
    shutil.copy(recording_path(), folder / "clip.wav")
    (folder / "inbox").mkdir()
    for number in range(BATCH):
        start = ["-ss", f"{20 * number / BATCH:.2f}", "-t", "10"]
        subprocess.run([*ffmpeg, *start, "-i", recording_path(), folder / "inbox" / f"{number:02}.mkv"], check=True)


def inference_sec(folder: Path) -> list[float]:
    """Seconds of each inference whose profile lies in a folder, loading left out."""
    profiles = [json.loads(path.read_text()) for path in (folder / "profiling").glob("audio_perf_*.json")]
    inferences = [inference for profile in profiles for inference in profile["inferences"]]
    return [sum(stage["seconds"] for stage in one["stages"] if stage["stage"] != "load") for one in inferences]


def require(expected: int | tuple[int, int], code: int) -> None:
    """Stop where a command ended in another way than the case is about; two codes: that before and that of today."""
    if code not in (expected if isinstance(expected, tuple) else (expected,)):
        raise SystemExit(f"exit code {code}, expected {expected}")


def beyond(side: Path, video: Path, out: Path) -> float:
    """Seconds of a new clip beyond its inference."""
    seconds, code, _ = command(side, "run", video, "--output", out, profiling=out)
    require(0, code)
    return seconds - sum(inference_sec(out))


def whole_batch(side: Path, folder: Path, out: Path) -> float:
    """Seconds per clip of a batch beyond inference."""
    seconds, code, _ = command(side, "batch", folder, "--output", out, profiling=out)
    require(0, code)
    spent = inference_sec(out)
    require(BATCH, len(spent))
    return (seconds - sum(spent)) / BATCH


def answered(side: Path, expected: int | tuple[int, int], *arguments: str | Path, models: Path | None = None) -> float:
    """Seconds to an exit code that is expected."""
    seconds, code, _ = command(side, *arguments, models=models)
    require(expected, code)
    return seconds


def cases(folder: Path) -> dict[str, Callable[[Path, Path], float]]:
    """What is measured: a name, and the seconds of a side that publishes in a fresh folder."""
    clip = folder / "clip.mp4"

    def published(side: Path, out: Path) -> float:
        require(0, command(side, "run", clip, "--output", out)[1])
        return answered(side, 0, "run", clip, "--output", out)

    def read_only(side: Path, _out: Path) -> float:
        # As root every folder can be written to: one that is a file cannot.
        return answered(side, 6, "run", clip, "--output", clip / "below")

    return {
        "`--help`": lambda side, _: answered(side, 0, "--help"),
        "already published": published,
        "a missing file": lambda side, _: answered(side, 4, "run", folder / "nope.mp4"),
        "a folder": lambda side, _: answered(side, (4, 2), "run", folder / "inbox"),
        "an output that takes no files": read_only,
        "a missing model": lambda side, out: answered(side, 5, "run", clip, "--output", out, models=out),
        "a new clip of 30 s, beyond inference": lambda side, out: beyond(side, clip, out),
        "the same as .wav": lambda side, out: beyond(side, folder / "clip.wav", out),
        f"batch of {BATCH} clips of 10 s, per clip beyond inference": lambda side, out: whole_batch(
            side, folder / "inbox", out
        ),
    }


def main() -> None:
    """Measure every case on both sides in turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", default="b9201d1", help="the commit to alternate with")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    with (
        checkout(options.before) as before,
        checkout("HEAD") as now,
        tempfile.TemporaryDirectory() as work,
    ):
        folder = Path(work)
        clips(folder)
        print("| case | before, s | now, s | ratio |\n| --- | ---: | ---: | ---: |")
        for name, measure in cases(folder).items():
            if options.only not in name:
                continue
            seconds: dict[Path, list[float]] = {before: [], now: []}
            for number in range(options.rounds):
                for side, found in seconds.items():
                    out = folder / f"out-{side.parent.name}-{number}-{abs(hash(name))}"
                    out.mkdir()
                    found.append(measure(side, out))
            old, new = (statistics.median(seconds[side]) for side in (before, now))
            print(f"| {name} | {old:.2f} | {new:.2f} | {old / new:.1f} |", flush=True)


if __name__ == "__main__":
    main()

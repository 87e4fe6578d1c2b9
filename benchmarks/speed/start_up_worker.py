"""Seconds from STEP3's event to our code, and from there to published files: the process worker and the warm one.

    python benchmarks/speed/start_up_worker.py [EVENTS [WORKER]]

Serves everything by itself, once with each worker (`process`, `step4-warm`) or the one named, on one machine, hands
over as many different videos of 30 s one after the other, then three at once, and prints Markdown: seconds, and the
memory of the warm process and of three runs.
"""

import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpx
import psutil

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from serving import Served, address_said, start_serving  # noqa: E402  # lies with the tests

WORKERS = {"process": "process worker", "step4-warm": "warm worker"}
TOGETHER = 3
LENGTH_SEC = 30
MIB = 2**20


@contextmanager
def serving(kind: str, home: Path) -> Iterator[Served]:
    """`make serve` with that worker for the GPU's pool."""
    process, port = start_serving(home, TOGETHER, STEP4_WORKER=kind)
    try:
        address_said(process)
        served = Served(f"http://127.0.0.1:{port}", home, process)
        served.finished("selfcheck")
        yield served
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(120)


def videos(folder: Path, count: int) -> list[Path]:
    """Different videos of the shipped recording, each with a folder of its own."""
    from media_samples import ffmpeg, picture

    from tasks.engine.media.sample import recording_path

    made = []
    for number in range(count):
        path = folder / str(number) / f"clip{number}.mkv"
        path.parent.mkdir(parents=True)
        sound = ["-stream_loop", "-1", "-ss", str(number / 10), "-t", str(LENGTH_SEC), "-i", str(recording_path())]
        ffmpeg(*picture(seconds=LENGTH_SEC), *sound, "-t", str(LENGTH_SEC), "-c:a", "pcm_s16le", path)
        made.append(path)
    return made


def say_ready(served: Served, video: Path) -> float:
    """Emit STEP3's event; return when, in seconds since 1970."""
    now = datetime.now(UTC)
    event = {
        "id": str(uuid4()),
        "occurred": now.isoformat(),
        "event": "step3.scenes.ready",
        "resource": {"prefect.resource.id": f"step3.video.{video.stem}"},
        "payload": {"video": str(video)},
    }
    httpx.post(f"{served.api}/events", json=[event], timeout=30).raise_for_status()
    return now.timestamp()


def seconds_of(served: Served, video: Path) -> dict[str, float]:
    """Hand over one video and take the times of its run."""
    asked = say_ready(served, video)
    run = served.finished("after-step3", video=str(video))
    created, started = (datetime.fromisoformat(run[name]).timestamp() for name in ("created", "start_time"))
    published = video.with_name(f"{video.stem}_step4.json").stat().st_mtime

    def inferred() -> list[float]:
        # Task runs are recorded a little after their run has ended.
        tasks = served.ask("task_runs/filter", task_runs={"flow_run_id": {"any_": [run["id"]]}})
        return [one["total_run_time"] for one in tasks if one["name"].startswith("diarize") and one["end_time"]]

    inferring = sum(served.wait_for(inferred))
    return {
        "event → the run exists": created - asked,
        "event → our code": started - asked,
        "our code → published": published - started,
        "of it inference": inferring,
        "our code → published, beyond inference": published - started - inferring,
        "event → published": published - asked,
    }


def processes(home: Path) -> tuple[psutil.Process | None, list[psutil.Process]]:
    """The warm process, where there is one, and the processes of runs."""
    ours = [process for process in psutil.process_iter() if belongs(process, home)]
    forks = [process for process in ours if "flows.server.fork_server" in process.cmdline()]
    pids = {process.pid for process in forks}
    warm = next((process for process in forks if process.ppid() not in pids), None)
    runs = [process for process in ours if "prefect.engine" in process.cmdline()]
    return warm, runs + [process for process in forks if process is not warm]


def belongs(process: psutil.Process, home: Path) -> bool:
    """Was it started for that home?"""
    try:
        return process.environ().get("PREFECT_HOME") == str(home)
    except psutil.Error:
        return False


def memory(process: psutil.Process) -> tuple[float, float]:
    """Resident memory, and the share of it that nobody else is charged with, in MiB."""
    found = process.memory_full_info()
    return found.rss / MIB, found.pss / MIB


def memory_of(served: Served, together: list[Path]) -> dict[str, str]:
    """Memory alone, and the most that runs at the same time, and all with them, have taken."""
    warm, _ = processes(served.home)
    rows = {"the warm process alone": "{:.0f} / {:.0f}".format(*memory(warm)) if warm else "-"}
    for video in together:
        say_ready(served, video)
    most: tuple[float, list[tuple[float, float]], tuple[float, float]] = (0.0, [], (0.0, 0.0))
    while not all(video.with_name(f"{video.stem}_step4.json").exists() for video in together):
        try:
            warm, runs = processes(served.home)
            of_runs, of_warm = [memory(run) for run in runs], memory(warm) if warm else (0.0, 0.0)
        except psutil.NoSuchProcess:
            continue
        total = sum(pss for _, pss in of_runs) + of_warm[1]
        if len(of_runs) == TOGETHER:
            most = max(most, (total, of_runs, of_warm))
    total, of_runs, of_warm = most
    rows["the warm process beside three runs"] = "{:.0f} / {:.0f}".format(*of_warm) if warm else "-"
    for number, (rss, pss) in enumerate(sorted(of_runs), 1):
        rows[f"run {number} of three"] = f"{rss:.0f} / {pss:.0f}"
    return rows | {"all of them together, PSS": f"{total:.0f}"}


def main() -> None:
    """Print both tables."""
    events, *named = sys.argv[1:] or ["10"]
    workers = {kind: WORKERS[kind] for kind in named} or WORKERS
    seconds: dict[str, list[dict[str, float]]] = {}
    mebibytes: dict[str, dict[str, str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind, title in workers.items():
            home = Path(folder) / kind
            made = videos(home / "videos", int(events) + TOGETHER)
            with serving(kind, home) as served:
                seconds[kind] = [seconds_of(served, video) for video in made[: int(events)]]
                mebibytes[kind] = memory_of(served, made[int(events) :])
                for video in made[int(events) :]:
                    served.finished("after-step3", video=str(video))
            print(f"{title}: done at {time.strftime('%H:%M:%S')}", file=sys.stderr)
    titles = [f"{name}, {unit}" for unit in ("median s", "least to most") for name in workers.values()]
    print("| seconds |", " | ".join(titles), "|\n| --- |", " | ".join(["---:"] * len(titles)), "|")
    for row in next(iter(seconds.values()))[0]:
        found = {kind: [one[row] for one in rows] for kind, rows in seconds.items()}
        medians = [f"{statistics.median(values):.1f}" for values in found.values()]
        ranges = [f"{min(values):.1f} to {max(values):.1f}" for values in found.values()]
        print(f"| {row} |", " | ".join(medians + ranges), "|")
    print("\n| MiB, RSS / PSS |", " | ".join(workers.values()), "|\n| --- |", " | ".join(["---:"] * len(workers)), "|")
    for row in next(iter(mebibytes.values())):
        print(f"| {row} |", " | ".join(rows[row] for rows in mebibytes.values()), "|")


if __name__ == "__main__":
    main()

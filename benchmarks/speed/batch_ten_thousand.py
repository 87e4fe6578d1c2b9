"""Ten thousand videos: found, planned and handed over, in seconds and memory.

    python benchmarks/speed/batch_ten_thousand.py FOLDER [--videos 10000] [--submissions 1000]

The files are empty: nothing here reads a video. Each phase runs in a process of its own, so that its peak memory is its
own. The submissions go to a real server with its own database; a thread of this script ends the runs as workers would,
so that what is measured is the batch and the server, not the work.
"""

import argparse
import contextvars
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from threading import Event, Thread

PER_FOLDER = 100
REQUEST = "benchmark"


def make_inbox(inbox: Path, videos: int, *, published: bool) -> None:
    """Empty videos, a hundred in a folder; with manifests that call them current, or without."""
    for number in range(videos):
        video = inbox / f"day{number // PER_FOLDER:04}" / f"clip{number:05}.mp4"
        video.parent.mkdir(parents=True, exist_ok=True)
        video.touch()
        if published:
            video.with_name(f"{video.stem}_step4.json").write_text(json.dumps(manifest(video)))


def manifest(video: Path) -> dict[str, object]:
    """What a run would have left, as far as a plan looks at it, with the bulk of a real one."""
    found = video.stat()
    return {
        "request_key": REQUEST,
        "video": str(video),
        "source": {"name": video.name, "sha256": "0" * 64},
        "video_stat": {"bytes": found.st_size, "mtime_ns": found.st_mtime_ns},
        "device": {"fallback_reason": None},
        "files": {video.name: {"sha256": "0" * 64, "bytes": 0}},
        "bulk": ["x" * 40] * 60,
    }


def peak() -> float:
    """MiB this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def plan(inbox: Path) -> dict[str, float]:
    """Find the videos and ask of each whether it is current."""
    from tasks.engine.batch.discovery import find_videos, mark_current

    before, started = peak(), time.perf_counter()
    current = [0, 0]
    for one in mark_current(find_videos([inbox]), None, REQUEST):
        current[one.current] += 1
    seconds = time.perf_counter() - started
    return {"to run": current[0], "current": current[1], "s": round(seconds, 2), "MiB": round(peak() - before, 1)}


def submit(inbox: Path, submissions: int) -> dict[str, float]:
    """Hand the first videos over to a server, 200 in flight."""
    from itertools import islice

    from prefect import flow
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    from tasks.engine.batch.discovery import find_videos
    from tasks.submit import Submission, submit_runs

    @flow(name="one-video")
    def one_video(video: str, output: str | None = None) -> None:
        """Never run: its runs are ended."""

    with (
        temporary_settings({PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS: 120}),
        prefect_test_harness(server_startup_timeout=120),
    ):
        with get_client(sync_client=True) as client:
            client.create_deployment(client.create_flow(one_video), "manual")
        stop = Event()
        worker = Thread(target=contextvars.copy_context().run, args=(end_runs, stop))
        worker.start()
        before, started = peak(), time.perf_counter()
        try:
            found = islice(find_videos([inbox]), submissions)
            tally = submit_runs(found, Submission("one-video/manual", in_flight=200, poll_sec=1.0))
        finally:
            stop.set()
            worker.join()
        seconds = time.perf_counter() - started
    ended = tally.published.total() + len(tally.failures)
    return {
        "runs": ended,
        "s": round(seconds, 1),
        "ms each": round(1000 * seconds / ended),
        "MiB": round(peak() - before, 1),
    }


def end_runs(stop: Event) -> None:
    """Play the workers: every run ends as cancelled as soon as it is seen."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
    from prefect.client.schemas.objects import StateType
    from prefect.states import Cancelled

    scheduled = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])))
    with get_client(sync_client=True) as client:
        while not stop.is_set():
            for run in client.read_flow_runs(flow_run_filter=scheduled, limit=200):
                client.set_flow_run_state(run.id, Cancelled(), force=True)
            stop.wait(0.1)


def main() -> None:
    """Run each phase in a fresh process and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--videos", type=int, default=10_000)
    parser.add_argument("--submissions", type=int, default=1_000)
    parser.add_argument("--phase", choices=("plan", "submit"), help="run one phase in this process")
    chosen = parser.parse_args()
    if chosen.phase:
        found = plan(chosen.folder) if chosen.phase == "plan" else submit(chosen.folder, chosen.submissions)
        print(json.dumps(found))
        return
    for videos in (chosen.videos // 10, chosen.videos):
        for published in (False, True):
            inbox = chosen.folder / f"{videos}-{'published' if published else 'new'}"
            make_inbox(inbox, videos, published=published)
            print(f"plan {inbox.name}:", phase(inbox, "plan", chosen.submissions))
    inbox = chosen.folder / f"{chosen.videos}-new"
    for submissions in (chosen.submissions // 10, chosen.submissions):
        print(f"hand over {submissions}:", phase(inbox, "submit", submissions))


def phase(inbox: Path, name: str, submissions: int) -> str:
    """One phase in a process of its own; its line."""
    command = [sys.executable, __file__, str(inbox), "--phase", name, "--submissions", str(submissions)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PREFECT_LOGGING_LEVEL": "CRITICAL"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.stdout.strip().splitlines()[-1] if not done.returncode else done.stderr


if __name__ == "__main__":
    main()

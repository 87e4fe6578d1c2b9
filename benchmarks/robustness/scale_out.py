"""Three workers, one GPU slot, 24 videos, two disasters: is every video published once, and never two in the slot?

    python benchmarks/robustness/scale_out.py FOLDER [--worker process|warm] [--scripted] [--postgres] [--redis]

A real server and three workers on one pool, Prefect's own or warm ones. In mid-inference one worker and its run are
killed with -9; later the server is stopped and started again. --postgres and --redis start those from Debian's packages
on free ports, as users of their own where that is needed. --scripted replaces the networks by a script that takes two
seconds.
"""

import argparse
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from dotenv import dotenv_values

ROOT = Path(__file__).parents[2]
VIDEOS, WORKERS, SLOT, POOL = 24, 3, "gpu:scale-out", "scale-out"
SECONDS = 3.0
PYTHON = sys.executable
WORKER_TYPES = {"process": "process", "warm": "step4-warm"}
ZOMBIE_SEC = 90


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(what: str, true: Callable[[], Any], seconds: float = 900.0) -> Any:  # noqa: ANN401
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not (found := true()):
        if time.monotonic() > deadline:
            sys.exit(f"waited {seconds:.0f} s for: {what}")
        time.sleep(0.1)
    return found


class Stage:
    """The processes of one trial; whatever happens, all of them end with it."""

    def __init__(self, folder: Path, *, worker: str, scripted: bool) -> None:
        self.folder = folder
        self.worker = worker
        self.marks = folder / "marks"
        self.inbox = folder / "inbox"
        self.port = free_port()
        self.started: list[subprocess.Popen[bytes]] = []
        settings = {
            **dotenv_values(ROOT / "deploy" / "prefect.env"),
            "PREFECT_HOME": folder / "home",
            "PREFECT_API_URL": f"http://127.0.0.1:{self.port}/api",
            "PREFECT_LOGGING_LEVEL": "INFO",
            "STEP4_GPU_SLOT": SLOT,
            "STEP4_MODELS_DIR": ROOT / "models",
            "STEP4_CACHE_DIR": folder / "cache",
            "STEP4_DIAGNOSTICS_DIR": folder / "diagnostics",
            "SCALE_OUT_MARKS": self.marks,
            "SCALE_OUT_SCRIPTED": "1" if scripted else "",
            "PYTHONPATH": ROOT,
        }
        os.environ.update({name: str(value) for name, value in settings.items()})

    def start(self, name: str, *command: str | Path, **more: Any) -> subprocess.Popen[bytes]:  # noqa: ANN401
        """Start a process that writes into a log of its own."""
        log = (self.folder / f"{name}.log").open("ab")
        process = subprocess.Popen([*map(str, command)], cwd=ROOT, stdout=log, stderr=log, **more)
        self.started.append(process)
        return process

    def prefect(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start one of Prefect's own commands."""
        return self.start(name, PYTHON, "-m", "prefect", *arguments)

    def server(self) -> subprocess.Popen[bytes]:
        """Start the server and wait until it answers."""
        process = self.prefect("server", "server", "start", "--host", "127.0.0.1", "--port", str(self.port))
        until("the server", self.answers, 180)
        return process

    def answers(self) -> bool:
        """Is the server up?"""
        import httpx

        try:
            return httpx.get(f"{os.environ['PREFECT_API_URL']}/health", timeout=2).is_success
        except httpx.HTTPError:
            return False

    def end(self) -> None:
        """End every process that was started here, the latest first."""
        for process in reversed(self.started):
            if process.poll() is None:
                for one in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
                    one.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()

    def marked(self) -> list[dict[str, Any]]:
        """What the inferences wrote."""
        return [json.loads(line) for line in self.marks.read_text().splitlines()] if self.marks.exists() else []

    def published(self) -> int:
        """How many manifests are there."""
        return len(list(self.inbox.glob("*_step4.json")))


def postgres(stage: Stage) -> None:
    """A database server of Debian's package, with a folder and a port of its own."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
    data, port = stage.folder / "postgres", free_port()
    data.mkdir()
    user: dict[str, Any] = {}
    if os.geteuid() == 0:  # it refuses to run as root
        subprocess.run(["chown", "postgres", str(data)], check=True)
        user = {"user": "postgres"}
    subprocess.run(
        [programs / "initdb", "-D", data, "-A", "trust", "-U", "prefect"], check=True, capture_output=True, **user
    )
    stage.start("postgres", programs / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", "", **user)
    ready = [programs / "pg_isready", "-h", "127.0.0.1", "-p", str(port)]
    until("PostgreSQL", lambda: not subprocess.run(ready, capture_output=True, check=False).returncode, 60)
    subprocess.run([programs / "createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "prefect", "prefect"], check=True)
    os.environ["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = f"postgresql+asyncpg://prefect@127.0.0.1:{port}/prefect"


def redis(stage: Stage) -> None:
    """Messages, leases and background work in a Redis of Debian's package."""
    port = free_port()
    command = ("redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", stage.folder, "--save", "")
    stage.start("redis", *command)
    os.environ |= {
        "PREFECT_MESSAGING_BROKER": "prefect_redis.messaging",
        "PREFECT_MESSAGING_CACHE": "prefect_redis.messaging",
        "PREFECT_SERVER_EVENTS_CAUSAL_ORDERING": "prefect_redis.ordering",
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect_redis.lease_storage",
        "PREFECT_REDIS_MESSAGING_HOST": "127.0.0.1",
        "PREFECT_REDIS_MESSAGING_PORT": str(port),
        "PREFECT_SERVER_DOCKET_URL": f"redis://127.0.0.1:{port}/1",
    }


def make_videos(inbox: Path) -> None:
    """24 videos of three seconds, each with another stretch of the recording that pyannote.audio ships."""
    from tasks.engine.media.ffmpeg_command import executable
    from tasks.engine.media.sample import recording_path

    inbox.mkdir()
    for number in range(VIDEOS):
        sound = ["-ss", str(number * 27 / VIDEOS), "-t", str(SECONDS), "-i", str(recording_path())]
        picture = ["-f", "lavfi", "-i", f"testsrc2=size=64x36:rate=25:duration={SECONDS}"]
        target = str(inbox / f"{number:02}.mp4")
        command = [executable(), "-nostdin", "-v", "error", *picture, *sound, "-preset", "ultrafast", target]
        subprocess.run(command, check=True)


def prepare(stage: Stage) -> None:
    """Pool, slot, deployment, and the automation that finds runs whose machine died."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, WorkPoolCreate
    from prefect.events import AutomationCore
    from prefect.flows import Flow

    zombies = {
        "name": "zombies",
        "trigger": {
            "type": "event",
            "posture": "Proactive",
            "after": ["prefect.flow-run.heartbeat"],
            "expect": ["prefect.flow-run.*"],
            "match": {"prefect.resource.id": "prefect.flow-run.*"},
            "for_each": ["prefect.resource.id"],
            "threshold": 1,
            "within": ZOMBIE_SEC,
        },
        "actions": [{"type": "change-flow-run-state", "state": "CRASHED", "message": "no heartbeat"}],
    }
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=SLOT, limit=1))
        client.create_automation(AutomationCore.model_validate(zombies))
    flow: Any = Flow.from_source(str(ROOT), "benchmarks/robustness/scale_out_flow.py:audio_analysis")
    with contextlib.redirect_stdout(sys.stderr):
        flow.deploy(name="manual", work_pool_name=POOL, print_next_steps=False, ignore_warnings=True)
    for number in range(WORKERS):
        kind = ("--type", WORKER_TYPES[stage.worker])
        worker = ("worker", "start", "--pool", POOL, *kind, "--name", f"worker-{number}", "--limit", "1")
        stage.prefect(f"worker-{number}", *worker)


def kill_in_slot(stage: Stage) -> dict[str, Any]:
    """Kill -9 the worker whose run is in the slot, and the run, before it ends its inference."""
    workers = {process.pid for process in stage.started if "worker" in process.args}  # type: ignore[operator]

    def in_slot() -> dict[str, Any] | None:
        last = [mark for mark in stage.marked() if mark["device"] != "cpu"][-1:]
        return last[0] if last and last[0]["event"] == "begin" and psutil.pid_exists(last[0]["pid"]) else None

    while True:
        found: dict[str, Any] = until("a run in the slot", in_slot)
        run = psutil.Process(found["pid"])
        worker = next(parent for parent in run.parents() if parent.pid in workers)
        family = [worker, *worker.children(recursive=True)]
        for one in family:
            one.suspend()  # nobody gets to say goodbye while the others are being killed
        if in_slot() == found:
            break
        for one in family:
            one.resume()
    for one in family:
        one.kill()
    return found


def trial(stage: Stage) -> dict[str, Any]:
    """The batch, the two disasters, and what is left in the end."""
    server = stage.server()
    prepare(stage)
    started = time.time()
    command = (PYTHON, "-m", "flows.cli.main", "batch", stage.inbox, "--in-flight", "6", "--json")
    with (stage.folder / "report.json").open("wb") as report, (stage.folder / "batch.log").open("wb") as log:
        batch = subprocess.Popen([*map(str, command)], cwd=ROOT, stdout=report, stderr=log)
    stage.started.append(batch)
    until("three published", lambda: stage.published() >= 3 or batch.poll() is not None)
    if batch.poll() is not None:
        sys.exit(f"the batch ended before the first disaster: see {stage.folder / 'batch.log'}")
    killed = kill_in_slot(stage)
    killed_at = time.time()
    next_in = until("the next in the slot", lambda: next((one for one in after(stage, killed_at)), None))
    until("twelve published", lambda: stage.published() >= 12)
    server.send_signal(signal.SIGTERM)
    server.wait(60)
    stopped_at = time.time()
    stage.server()
    back_at = time.time()
    batch.wait(1200)
    ended = time.time()
    return {
        "report": json.loads((stage.folder / "report.json").read_text()),
        "seconds": round(ended - started),
        "slot free again after the kill, s": round(next_in["t"] - killed_at),
        "server away, s": round(back_at - stopped_at),
        "killed": killed["samples"],
        **audited(stage, killed),
    }


def after(stage: Stage, instant: float) -> list[dict[str, Any]]:
    """Inferences in the slot that began after an instant."""
    return [one for one in stage.marked() if one["event"] == "begin" and one["device"] != "cpu" and one["t"] > instant]


def audited(stage: Stage, killed: dict[str, Any]) -> dict[str, Any]:
    """What files, marks and server say."""
    from prefect.client.orchestration import get_client

    from tasks.engine.publishing.manifest import load_verified_manifest

    marks = stage.marked()
    begun = Counter(one["samples"] for one in marks if one["event"] == "begin" and one["device"] != "cpu")
    finished = Counter(one["samples"] for one in marks if one["event"] == "end" and one["device"] != "cpu")
    manifests = [load_verified_manifest(path) for path in sorted(stage.inbox.glob("*_step4.json"))]
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(limit=200)
    videos = [run for run in runs if "video" in run.parameters]
    completed = Counter(run.parameters["video"] for run in videos if run.state and run.state.is_completed())
    return {
        "published and whole": sum(manifest is not None for manifest in manifests),
        "verdicts": dict(Counter(manifest["verdict"] for manifest in manifests if manifest)),
        "videos computed more than once in the slot": {name: n for name, n in begun.items() if n > 1},
        "is it the killed one alone": [name for name, n in begun.items() if n > 1] == [killed["samples"]],
        "inferences finished more than once": sum(n > 1 for n in finished.values()),
        "two in the slot": sum(one["event"] == "overlap" for one in marks),
        "flow runs": dict(Counter(str(run.state and run.state.name) for run in videos)),
        "videos with more than one completed run": sum(n > 1 for n in completed.values()),
    }


def main() -> None:
    """Set the stage, run the trial, print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--worker", choices=WORKER_TYPES, default="process")
    for option in ("--scripted", "--postgres", "--redis"):
        parser.add_argument(option, action="store_true")
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True)
    stage = Stage(chosen.folder.absolute(), worker=chosen.worker, scripted=chosen.scripted)
    try:
        make_videos(stage.inbox)
        if chosen.postgres:
            postgres(stage)
        if chosen.redis:
            redis(stage)
        print(json.dumps(trial(stage), indent=2))
    finally:
        stage.end()


if __name__ == "__main__":
    main()

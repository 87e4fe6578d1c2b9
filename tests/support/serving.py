"""`make serve` for end-to-end tests: a real server, real workers, a database and a port of their own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from media_samples import ffmpeg, picture
from paths import ROOT, SUPPORT

from profiles.settings import Configuration
from tasks.device import plan_device
from tasks.engine.devices.facts import probe
from tasks.engine.diagnosis.selfcheck import SelfCheck, remember
from tasks.engine.media.sample import recording_path
from tasks.engine.models.registry import identity

PATIENCE_SEC = 480


@dataclass(frozen=True)
class Served:
    """A running `make serve`."""

    url: str
    home: Path
    process: subprocess.Popen[str]

    @property
    def api(self) -> str:
        """Address of the API."""
        return f"{self.url}/api"

    def ask(self, path: str, **wanted: Any) -> Any:
        """Post a question."""
        answer = self.request("POST", path, wanted)
        answer.raise_for_status()
        return answer.json()

    def look(self, path: str) -> Any:
        """Get an answer."""
        answer = self.request("GET", path)
        answer.raise_for_status()
        return answer.json()

    def wait_for(self, ask: Callable[[], Any]) -> Any:
        """The first answer that is true.

        Raises:
            AssertionError: none came; the end of the workers' logs is the message.
        """
        until = time.monotonic() + PATIENCE_SEC
        while not (answer := ask()):
            assert time.monotonic() < until, self.logs()
            time.sleep(0.3)
        return answer

    def logs(self) -> str:
        """The last lines of every process."""
        return "\n".join(path.read_text(encoding="utf-8")[-3000:] for path in self.home.glob("logs/*.log"))

    def runs(self, deployment: str) -> list[dict[str, Any]]:
        """Every run of a deployment."""
        found: list[dict[str, Any]] = self.ask("flow_runs/filter", deployments={"name": {"any_": [deployment]}})
        return found

    def finished(self, deployment: str, **parameters: Any) -> dict[str, Any]:
        """The run of a deployment with those parameters, once it has ended."""

        def ask() -> list[dict[str, Any]]:
            found = [run for run in self.runs(deployment) if parameters.items() <= run["parameters"].items()]
            return [run for run in found if run["state_type"] in {"COMPLETED", "FAILED", "CRASHED"}]

        run: dict[str, Any] = self.wait_for(ask)[0]
        return run

    def start(self, deployment: str, **parameters: Any) -> httpx.Response:
        """Ask for a run, as the UI does."""
        found = self.ask("deployments/filter", deployments={"name": {"any_": [deployment]}})
        wanted = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        return self.request("POST", f"deployments/{found[0]['id']}/create_flow_run", wanted)

    def request(self, method: str, path: str, wanted: dict[str, Any] | None = None) -> httpx.Response:
        """Ask the API, again where its database is locked for a moment, as Prefect's client does."""
        until = time.monotonic() + PATIENCE_SEC
        while True:
            answer = httpx.request(method, f"{self.api}/{path}", json=wanted, timeout=120)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE or time.monotonic() > until:
                return answer
            time.sleep(0.5)

    def artifacts(self, run: dict[str, Any]) -> dict[str, Any]:
        """Data of a run's artifacts by type."""
        found = self.ask("artifacts/filter", artifacts={"flow_run_id": {"any_": [run["id"]]}})
        return {one["type"]: one["data"] for one in found}

    def log_lines(self, run: dict[str, Any]) -> list[str]:
        """What the UI shows as a run's log."""
        found = self.ask("logs/filter", logs={"flow_run_id": {"any_": [run["id"]]}}, sort="TIMESTAMP_ASC")
        return [one["message"] for one in found]

    def step3(self, *arguments: str) -> None:
        """Run the sample of STEP3 against this server, from a process of its own."""
        script = SUPPORT / "sample_step3.py"
        environment = {**os.environ, "PREFECT_API_URL": self.api, "PREFECT_HOME": str(self.home / "step3")}
        subprocess.run([sys.executable, script, *arguments], env=environment, check=True, timeout=120)

    def hand_over(self, stem: str, **payload: Any) -> None:
        """STEP3 says that a video's scenes are ready."""
        self.step3(json.dumps(payload), stem)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_serving(home: Path, gpus: int = 1, **settings: str) -> tuple[subprocess.Popen[str], int]:
    """`make serve` on a free port, with settings of its own."""
    port = free_port()
    quiet = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "AUDIO_", "STEP4_"))}
    environment = {
        **quiet,
        "STEP4_MODELS_DIR": os.environ.get("STEP4_MODELS_DIR", str(ROOT / "models")),
        "STEP4_CACHE_DIR": str(home / "cache"),
        "STEP4_DIAGNOSTICS_DIR": str(home),
        "PYTHONUNBUFFERED": "1",
        **settings,
    }
    inbox = home / "inbox"
    remember_that_this_machine_is_coherent(home / "cache")
    options = ["--port", str(port), "--home", home, "--inbox", inbox, "--gpus", str(gpus)]
    command = [sys.executable, "-m", "flows.server.serve", *options]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    return process, port


def address_said(process: subprocess.Popen[str]) -> str:
    """Wait for the line that says where the UI is, the last one of the start.

    Raises:
        AssertionError: it ended before; what it had said is the message.
    """
    assert process.stdout
    said: list[str] = []
    while not (said and said[-1].startswith("Prefect UI: ")):
        said.append(process.stdout.readline())
        assert said[-1], (said, process.wait())
    # A start takes up to minutes: what it is at is said as it goes.
    assert [line.split()[0] for line in said] == ["Starting", "Deploying", "Starting", "Prefect"], said
    return said[-1]


def remember_that_this_machine_is_coherent(cache: Path) -> None:
    """Let the worker's first self-check find its answer: computing it is for other tests, and takes long."""
    facts = probe()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STEP4_CACHE_DIR", str(cache))
        plan = plan_device(Configuration.resolve({}, env_file=None), facts)
        answer = SelfCheck(plan.device, plan.device_name, plan.precision, "reference", ())
        remember(answer, plan, facts, identity("offline"))


def belonging_to(home: Path) -> list[psutil.Process]:
    """Every process that was started for that home, orphans included."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("PREFECT_HOME") == str(home):
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The server and its workers; Ctrl-C ends them all at the end, which is part of the promise.

    They ask for work every second: a quarter of a core, for as long as they are there.
    """
    home = tmp_path_factory.mktemp("served")
    process, port = start_serving(home)
    assert f"Prefect UI: http://127.0.0.1:{port} " in address_said(process)
    try:
        yield Served(f"http://127.0.0.1:{port}", home, process)
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(120)
        left = belonging_to(home)
        for orphan in left:
            orphan.kill()
    assert (code, left) == (0, [])


def speech(path: Path, seconds: float = 6, *, gain: float = 1.0) -> Path:
    """A short video of the shipped recording's two speakers, lossless, so that a low level survives."""
    sound = ["-ss", "8", "-t", str(seconds), "-i", str(recording_path()), "-af", f"volume={gain}:precision=float"]
    path.parent.mkdir(parents=True, exist_ok=True)
    ffmpeg(*picture(seconds=seconds), *sound, "-c:a", "pcm_f32le", path)
    return path

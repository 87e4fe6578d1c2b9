"""A run on the warm worker is what it is on Prefect's process worker, and begins without loading anything."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest
from paths import ROOT, SUPPORT
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.settings import PREFECT_API_URL, temporary_settings
from serving import Served, speech

from flows.server.processes import child

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the warm worker is the process worker"),
]

KINDS = ["process", "step4-warm"]


@dataclass(frozen=True)
class Trials:
    """A worker of each kind, both with a copy of the project that a test may change."""

    served: Served
    project: Path
    workers: dict[str, psutil.Process]

    def start(self, kind: str, name: str = "trial", *, env: dict[str, str] | None = None, **parameters: Any) -> str:
        """Start a run on a worker of a kind."""
        with get_client(sync_client=True) as client:
            deployment = client.read_deployment_by_name(f"{name}/{kind}").id
            jobs = {"env": env or {}}
            return str(client.create_flow_run_from_deployment(deployment, parameters=parameters, job_variables=jobs).id)

    def state(self, run: str) -> dict[str, Any]:
        """State of a run, once it has ended."""

        def ended() -> Any:
            found = self.served.look(f"flow_runs/{run}")["state"]
            return found if found["type"] in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"} else None

        state: dict[str, Any] = self.served.wait_for(ended)
        return state

    def said(self, note: Path) -> dict[str, Any]:
        """What a run has written."""
        self.served.wait_for(note.exists)
        said: dict[str, Any] = json.loads(note.read_text(encoding="utf-8"))
        return said

    def run(self, kind: str, note: Path, env: dict[str, str] | None = None, **parameters: Any) -> dict[str, Any]:
        """What a run says, once it has ended well."""
        run = self.start(kind, env=env, note=str(note), **parameters)
        state = self.state(run)
        assert state["type"] == "COMPLETED", (state, self.served.logs())
        return self.said(note)


def deploy(kind: str, project: Path) -> None:
    """A pool of processes, and two flows that run in the project's folder."""
    steps = [{"prefect.deployments.steps.set_working_directory": {"directory": str(project)}}]
    flows = {"trial": "flows/trial_flow.py:trial", "step4-audio-analysis": "flows/audio_analysis.py:audio_analysis"}
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name=f"trials-{kind}", type="process"))
        for name, entrypoint in flows.items():
            flow = client.create_flow_from_name(name)
            client.create_deployment(
                flow, kind, entrypoint=entrypoint, work_pool_name=f"trials-{kind}", pull_steps=steps
            )


@pytest.fixture(scope="module")
def trials(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trials]:
    """Both workers, on the server of all end-to-end tests."""
    home, project = tmp_path_factory.mktemp("trials"), tmp_path_factory.mktemp("project")
    for name in ("flows", "tasks", "profiles"):
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(SUPPORT / "trial_flow.py", project / "flows")
    environment = {
        "PREFECT_HOME": home,
        "PREFECT_API_URL": served.api,
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        "STEP4_HOME": project,
        "STEP4_MODELS_DIR": os.environ.get("STEP4_MODELS_DIR", ROOT / "models"),
        "STEP4_CACHE_DIR": home / "cache",
        "STEP4_DIAGNOSTICS_DIR": home,
    }
    with (
        pytest.MonkeyPatch.context() as patch,
        temporary_settings({PREFECT_API_URL: served.api}),
        ExitStack() as running,
    ):
        for name, value in environment.items():
            patch.setenv(name, str(value))
        workers = {}
        for kind in KINDS:
            deploy(kind, project)
            options = ("--pool", f"trials-{kind}", "--type", kind, "--limit", "3", "--name", kind)
            worker = running.enter_context(child(kind, ("worker", "start", *options), served.home / "logs"))
            workers[kind] = psutil.Process(worker.pid)
        yield Trials(served, project, workers)


def test_a_run_is_a_fork_that_has_everything(trials: Trials, tmp_path: Path) -> None:
    """Its parent is the warm process, candidate's and reference's models are loaded; all else is as ever."""
    said = {kind: trials.run(kind, tmp_path / kind, with_torch=True) for kind in KINDS}
    warm, cold = said["step4-warm"], said["process"]

    assert "flows.server.fork_server" in warm.pop("parent")
    assert "flows.server.fork_server" not in cold.pop("parent")
    assert (warm.pop("loaded"), cold.pop("loaded")) == (1, 0), "on a machine without a GPU both sides share one"
    assert {one.pop("pid") == one.pop("group") for one in (warm, cold)} == {True}
    assert warm == cold
    assert warm["code"] == str(trials.project)


def test_the_tables_are_those_of_the_command(trials: Trials, tmp_path: Path) -> None:
    """The same video by `step4 run`, by the process worker and by the warm one: equal tables, and equal speech."""
    made = speech(tmp_path / "clip.mkv")
    videos = {name: tmp_path / name / "clip.mkv" for name in ("command", *KINDS)}
    for video in videos.values():
        video.parent.mkdir()
        shutil.copy(made, video)
    quiet = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    command = [sys.executable, "-m", "flows.cli.main", "run", videos["command"]]
    subprocess.run(command, cwd=ROOT, env=quiet, check=True, timeout=300)
    runs = [trials.start(kind, "step4-audio-analysis", video=str(videos[kind])) for kind in KINDS]

    assert [trials.state(run)["type"] for run in runs] == ["COMPLETED", "COMPLETED"]
    tables = [sorted(video.parent.glob("*.parquet")) for video in videos.values()]
    assert len({tuple(path.name for path in one) for one in tables}) == 1
    for by_command, *by_workers in zip(*tables, strict=True):
        expected = pq.read_table(by_command)
        assert [pq.read_table(one).equals(expected) for one in by_workers] == [True, True]
    said = [json.loads(v.with_name("clip_step4.json").read_text(encoding="utf-8")) for v in videos.values()]
    assert said[0]["summary"] == said[1]["summary"] == said[2]["summary"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_run_harms_nobody(trials: Trials, tmp_path: Path, kind: str) -> None:
    """Killed with -9 it is Crashed and says so; its sibling, the worker and the next run go on."""
    until = tmp_path / "until"
    killed, sibling = (
        trials.start(kind, note=str(tmp_path / name), until=str(until)) for name in ("killed", "sibling")
    )
    trials.said(tmp_path / "sibling")
    os.kill(trials.said(tmp_path / "killed")["pid"], signal.SIGKILL)
    state = trials.state(killed)
    until.touch()

    assert (state["type"], "status code: -9" in state["message"]) == ("CRASHED", True)
    assert trials.state(sibling)["type"] == "COMPLETED"
    assert trials.run(kind, tmp_path / "next")["pid"]
    assert trials.workers[kind].is_running()


@pytest.mark.parametrize("kind", KINDS)
def test_a_cancelled_run_ends(trials: Trials, tmp_path: Path, kind: str) -> None:
    """Cancelled in the UI: its process is gone and its state is Cancelled."""
    run = trials.start(kind, note=str(tmp_path / "note"), until=str(tmp_path / "never"))
    pid = trials.said(tmp_path / "note")["pid"]
    trials.served.ask(f"flow_runs/{run}/set_state", state={"type": "CANCELLING"})

    assert trials.state(run)["type"] == "CANCELLED"
    assert trials.served.wait_for(lambda: not psutil.pid_exists(pid))


VARIABLES = ("STEP4_GPU_SLOT", "PREFECT_LOGGING_LEVEL", "A_VARIABLE_OF_A_LIBRARY")


@pytest.mark.parametrize(("kind", "names"), [("process", VARIABLES), *(("step4-warm", (name,)) for name in VARIABLES)])
def test_a_run_has_its_own_environment(trials: Trials, tmp_path: Path, kind: str, names: tuple[str, ...]) -> None:
    """Whatever a run's variables set is set in it: of STEP4, of Prefect, or of anything else."""
    said = trials.run(kind, tmp_path / "note", env=dict.fromkeys(names, "ERROR"))

    assert {name: said["environment"][name] for name in names} == dict.fromkeys(names, "ERROR")
    assert (said["loaded"] > 0) == (kind == "step4-warm" and "A_VARIABLE_OF_A_LIBRARY" not in names)


def test_what_a_stage_logs_is_shown_once(trials: Trials, tmp_path: Path) -> None:
    """In the UI, by either worker."""
    env = {"PREFECT_LOGGING_EXTRA_LOGGERS": "step4"}
    runs = [trials.start(kind, env=env, note=str(tmp_path / kind)) for kind in KINDS]
    assert [trials.state(run)["type"] for run in runs] == ["COMPLETED", "COMPLETED"]

    for run in runs:
        lines = trials.served.wait_for(
            lambda run=run: [line for line in trials.served.log_lines({"id": run}) if "a stage's own line" in line]
        )
        assert lines == ["a stage's own line"]


@pytest.mark.parametrize("kind", KINDS)
def test_changed_code_is_what_the_next_run_uses(trials: Trials, tmp_path: Path, kind: str) -> None:
    """A module that the warm process had loaded, changed on disk; a run that has begun keeps what it began with."""
    module, until = trials.project / "tasks" / "engine" / "core" / "constants.py", tmp_path / "until"
    running = trials.start(kind, note=str(tmp_path / "running"), until=str(until))
    before = trials.said(tmp_path / "running")["version"]
    with module.open("a", encoding="utf-8") as file:
        file.write(f"\nTRIAL = {before + 1}\n")
    after = trials.run(kind, tmp_path / "after")
    until.touch()

    assert after["version"] == before + 1
    assert (after["loaded"] > 0) == (kind == "step4-warm")
    assert trials.state(running)["type"] == "COMPLETED"


def test_a_warm_process_that_died_is_replaced(trials: Trials, tmp_path: Path) -> None:
    """Killed with -9: a run that it had begun completes, and the next one is warm again."""
    until = tmp_path / "until"
    running = trials.start("step4-warm", note=str(tmp_path / "running"), until=str(until))
    pid = trials.said(tmp_path / "running")["pid"]
    warm = psutil.Process(pid).parent()
    assert warm is not None
    warm.kill()
    said = trials.run("step4-warm", tmp_path / "next")
    until.touch()

    assert "flows.server.fork_server" in said["parent"]
    assert trials.state(running)["type"] == "COMPLETED"


def test_code_that_cannot_be_loaded_fails_its_run_and_no_more(trials: Trials, tmp_path: Path) -> None:
    """No warm process comes of it: the run starts as the process worker starts it, and says what is wrong."""
    module = trials.project / "tasks" / "engine" / "core" / "constants.py"
    good = module.read_text(encoding="utf-8")
    module.write_text(f"{good}\nthis is no Python\n", encoding="utf-8")
    state = trials.state(trials.start("step4-warm", note=str(tmp_path / "bad")))
    module.write_text(good, encoding="utf-8")

    assert state["type"] in {"FAILED", "CRASHED"}
    assert trials.run("step4-warm", tmp_path / "good")["loaded"]

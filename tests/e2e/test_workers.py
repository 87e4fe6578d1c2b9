"""Two workers, one place on a GPU that is made up: `benchmarks/robustness/scale_out.py` in small."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, WorkPoolCreate
from prefect.flows import load_flow_from_entrypoint
from prefect.settings import PREFECT_API_URL, temporary_settings
from serving import ROOT, Served, speech

from flows.audio_analysis import audio_analysis
from flows.server.processes import child
from profiles.settings import Configuration
from tasks.batch import plan
from tasks.submit import Submission, submit_runs

pytestmark = pytest.mark.slow

POOL, SLOT, DEPLOYMENT = "two-workers", "gpu:two-workers", "step4-audio-analysis/scripted"
ENTRYPOINT = "benchmarks/robustness/scale_out_flow.py:audio_analysis"


@dataclass(frozen=True)
class Machine:
    """Two workers of one run each, and what their inferences wrote down."""

    served: Served
    marks: Path

    def marked(self) -> list[dict[str, Any]]:
        """Begin and end of every inference, and every time that two of them met on the GPU."""
        return [json.loads(line) for line in self.marks.read_text(encoding="utf-8").splitlines()]

    def workers(self) -> list[dict[str, Any]]:
        """Those that the server has heard of."""
        found: list[dict[str, Any]] = self.served.ask(f"work_pools/{POOL}/workers/filter")
        return found


def deploy() -> None:
    """A pool, the place, and the flow of one video with scripted networks."""
    steps = [{"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}]
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=SLOT, limit=1))
        flow = client.create_flow_from_name("step4-audio-analysis")
        name = DEPLOYMENT.partition("/")[2]
        client.create_deployment(flow, name, entrypoint=ENTRYPOINT, work_pool_name=POOL, pull_steps=steps)


@pytest.fixture(scope="module")
def machine(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """The workers, on the server of all end-to-end tests."""
    home = tmp_path_factory.mktemp("workers")
    environment = {
        "PREFECT_HOME": home,
        "PREFECT_API_URL": served.api,
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "STEP4_GPU_SLOT": SLOT,
        "STEP4_CACHE_DIR": home / "cache",
        "STEP4_DIAGNOSTICS_DIR": home,
        "SCALE_OUT_MARKS": home / "marks",
        "SCALE_OUT_SCRIPTED": "1",
        "SCALE_OUT_COMPANY": "2",
        "PYTHONPATH": ROOT,
    }
    with (
        pytest.MonkeyPatch.context() as patch,
        temporary_settings({PREFECT_API_URL: served.api}),
        ExitStack() as running,
    ):
        for name, value in environment.items():
            patch.setenv(name, str(value))
        deploy()
        for name in ("one", "two"):
            options = ("--pool", POOL, "--type", "process", "--limit", "1", "--name", name)
            running.enter_context(child(name, ("worker", "start", *options), home))
        machine = Machine(served, home / "marks")
        served.wait_for(lambda: len(machine.workers()) == 2)
        yield machine


def test_the_trials_flow_takes_whatever_the_real_one_does() -> None:
    """A batch asks for every field: a trial whose flow lacks one ends with every run crashed."""
    flow = load_flow_from_entrypoint(ENTRYPOINT)

    assert flow.parameters.model_dump() == audio_analysis.parameters.model_dump()
    assert flow.name == audio_analysis.name


@pytest.mark.usefixtures("clean_settings")
def test_two_workers_never_meet_on_the_gpu(machine: Machine, tmp_path: Path) -> None:
    """Four videos, two runs at a time, one place: every video is inferred once, published once, and alone."""
    videos = [speech(tmp_path / "inbox" / f"{number}.mkv", 2 + number / 5) for number in range(4)]
    found = plan([tmp_path / "inbox"], None, Configuration.resolve())
    tally = submit_runs(found, Submission(DEPLOYMENT, in_flight=4))
    ours = [run for run in machine.served.runs("scripted") if run["parameters"]["video"] in set(map(str, videos))]
    runs = sorted(ours, key=lambda run: str(run["start_time"]))
    on_gpu = [mark for mark in machine.marked() if mark["device"] != "cpu"]

    assert (tally.failures, tally.published) == ([], Counter(coherent=4))
    assert Counter(run["parameters"]["video"] for run in runs) == Counter(map(str, videos))
    assert runs[1]["start_time"] < runs[0]["end_time"], "the runs did not overlap: nothing was shown"
    assert Counter(mark["event"] for mark in on_gpu) == Counter(begin=4, end=4), "an overlap is a third kind"
    assert len({mark["samples"] for mark in on_gpu}) == 4


def test_a_fallback_on_a_worker_is_a_retry_that_the_ui_shows(machine: Machine, tmp_path: Path) -> None:
    """Out of memory on the GPU: the run is Completed, its task `diarize` was Retrying, and an event says why."""
    video = speech(tmp_path / "clip.mkv", 3)
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(DEPLOYMENT).id
        failing = {"env": {"SCALE_OUT_GPU_FAILS": "1", "SCALE_OUT_MARKS": str(tmp_path / "marks")}}
        client.create_flow_run_from_deployment(deployment, parameters={"video": str(video)}, job_variables=failing)
    run = machine.served.finished("scripted", video=str(video))
    manifest = json.loads(video.with_name("clip_step4.json").read_text(encoding="utf-8"))

    assert (run["state_type"], run["name"]) == ("COMPLETED", "clip · gpu_fp32 · reference")
    assert (manifest["device"]["attempts"], manifest["device"]["fallback_reason"]) == (2, "out of memory")
    assert machine.served.wait_for(lambda: "Retrying" in states_of_diarize(machine.served, run))
    named = {"event": {"name": ["step4.device.fallback"]}, "resource": {"id": ["step4.video.clip"]}}
    event = machine.served.wait_for(lambda: machine.served.ask("events/filter", filter=named)["events"])[0]
    assert event["payload"]["reason"] == "out of memory"


def states_of_diarize(served: Served, run: dict[str, Any]) -> list[str]:
    """Names of the states that the inferences of a run went through."""
    found = served.ask("task_runs/filter", task_runs={"flow_run_id": {"any_": [run["id"]]}})
    tasks = [task["id"] for task in found if task["name"].startswith("diarize")]
    return [state["name"] for task in tasks for state in served.look(f"task_run_states/?task_run_id={task}")]

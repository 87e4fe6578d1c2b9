"""A thousand queued runs: does the server keep up?

    python benchmarks/speed/server_load.py [--runs 1000] [--execute 1000] [--default]

A real server on SQLite with its own database. The runs are queued on a deployment, then executed one after the other in
this process by Prefect's engine, each with as many tasks as the run of one video has; the tasks do nothing, so that the
server gets its messages as fast as one process can send them. Measured: seconds to queue, what a worker's question and
the UI's page cost while everything is queued, how far the recorded task runs lag behind, how long until all are there.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TASKS = 10
RECORDER = {
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
}


def timed(action: Callable[[], Any], times: int = 20) -> dict[str, float]:
    """Milliseconds that an action takes: median and worst."""
    spent = []
    for _ in range(times):
        started = time.perf_counter()
        action()
        spent.append(1000 * (time.perf_counter() - started))
    return {"median ms": round(statistics.median(spent)), "worst ms": round(max(spent))}


def measure(runs: int, execute: int) -> dict[str, Any]:
    """Queue the runs, execute so many of them, wait for the server's books."""
    from prefect import flow, task
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
    from prefect.client.schemas.objects import StateType
    from prefect.flow_engine import run_flow

    @task
    def step() -> None:
        """One of the stages of a video."""

    @flow(name="one-video")
    def one_video(video: str) -> None:
        """As many tasks as the run of one video has."""
        del video
        for _ in range(TASKS):
            step()

    found: dict[str, Any] = {"queued": runs, "executed": execute, "tasks": execute * TASKS}
    completed = {"task_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}}
    scheduled = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])))
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="pool", type="process"))
        deployment = client.create_deployment(client.create_flow(one_video), "manual", work_pool_name="pool")

        def recorded() -> int:
            return int(client.request("POST", "/task_runs/count", json=completed).json())

        started = time.perf_counter()
        for number in range(runs):
            client.create_flow_run_from_deployment(
                deployment, parameters={"video": f"{number}.mp4"}, idempotency_key=f"{number}-0"
            )
        found["queue, s"] = round(time.perf_counter() - started, 1)
        found["a worker's question"] = timed(lambda: client.get_scheduled_flow_runs_for_work_pool("pool"))
        found["a page of runs"] = timed(lambda: client.read_flow_runs(limit=200))
        lag, done = [], 0
        started = time.perf_counter()
        while done < execute:
            queued = client.read_flow_runs(flow_run_filter=scheduled, limit=25)
            for run in queued[: execute - done]:
                run_flow(one_video, flow_run=run, parameters=run.parameters)
                done += 1
            lag.append(done * TASKS - recorded())
        found["execute, s"] = round(time.perf_counter() - started, 1)
        found["task runs not yet recorded: median, worst"] = [statistics.median(lag), max(lag)]
        ended = time.perf_counter()
        while recorded() < execute * TASKS and time.perf_counter() - ended < 600:
            time.sleep(0.5)
        found["all recorded after, s"] = round(time.perf_counter() - ended, 1)
        found["recorded"] = recorded()
    return found


def main() -> None:
    """Start a server, measure, stop it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--execute", type=int, help="how many of them to execute; default: all")
    parser.add_argument("--default", action="store_true", help="leave the recorder as Prefect ships it")
    chosen = parser.parse_args()
    with socket.socket() as probe, tempfile.TemporaryDirectory() as home:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        os.environ |= {
            "PREFECT_HOME": home,
            "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "PREFECT_LOGGING_LEVEL": "CRITICAL",
            **({} if chosen.default else RECORDER),
        }
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
        with (Path(home) / "server.log").open("wb") as log:
            server = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_for(os.environ["PREFECT_API_URL"])
            from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

            # Ending the heartbeat takes a second of waiting per run: the server would get a tenth of the messages.
            with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
                print(json.dumps(measure(chosen.runs, chosen.execute or chosen.runs), indent=2))
        finally:
            server.terminate()
            server.wait(30)


def wait_for(api: str) -> None:
    """Wait until the server answers."""
    import httpx

    for _ in range(1200):
        try:
            if httpx.get(f"{api}/health", timeout=2).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    sys.exit("the server did not answer within two minutes")


if __name__ == "__main__":
    main()

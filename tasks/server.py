"""What a run says of itself to a Prefect server: nothing at all where none was set up to listen."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID

import psutil
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED,
    PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_ENABLED,
    temporary_settings,
)

from profiles.profile import DEFAULT
from tasks.engine.environment import from_environment
from tasks.engine.leftovers import is_left_over, owned_name

log = logging.getLogger("step4.server")

OWNER = "STEP4_OWNER"
"""In the environment of the server that Prefect starts for a process that named none: whose it is."""


def connected() -> bool:
    """Is this a flow run on a server that was named? `step4 run` alone has one of its own, which nobody looks at."""
    return bool(PREFECT_API_URL.value() and flow_run.id)


FOR_RUNS_ALONE = {
    # Stopping the heartbeat would cost a second per flow.
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
    # What the server writes of the last video meets the request for the next run in SQLite, which refuses one of the
    # two; Prefect's client waits 2 s before it asks again.
    PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED: False,
    PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_ENABLED: False,
}
"""Settings of flows that end with their process, and of the server that Prefect may start for them."""


@contextmanager
def in_this_process() -> Iterator[None]:
    """For flows that end with their process: the server that Prefect may start bears its owner, and records little."""
    stop_abandoned_servers()
    os.environ[OWNER] = owned_name()
    with temporary_settings(FOR_RUNS_ALONE):
        yield


def stop_abandoned_servers() -> None:
    """Stop the temporary servers of processes that were killed: nobody else ends them."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            environment = process.environ() if "uvicorn" in process.cmdline() else {}
            owner = environment.get(OWNER) if "PREFECT__SERVER_EPHEMERAL" in environment else None
            if owner and is_left_over(Path(owner)):
                process.terminate()


def log_at(level: str) -> None:
    """Let the stages' log lines reach the server from this level on, as they reach the terminal in `step4 run`."""
    if connected():
        logging.getLogger("step4").setLevel(level)


@contextmanager
def never_failing(what: str) -> Iterator[None]:
    """What is only told must not decide how a run ends: whatever goes wrong becomes a warning."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  # a server can fail in any way, and none of them is the video's fault
        log.warning("%s could not be sent to the Prefect server: %s", what, error)


def run_name() -> str:
    """`clip · gpu_fp32`: what the run is called until its verdict is known."""
    parameters = flow_run.parameters
    video, profile = parameters.get("video"), parameters.get("profile")
    return f"{Path(str(video)).stem} · {profile or from_environment('AUDIO_PROFILE') or DEFAULT}"


def name_run(stem: str, profile: str, ending: str) -> None:
    """Call the run `clip · gpu_fp32 · coherent`, so that a list of runs shows how each ended."""
    if not connected():
        return
    with never_failing("The run's name"), get_client(sync_client=True) as client:
        client.set_flow_run_name(UUID(str(flow_run.id)), f"{stem} · {profile} · {ending}")

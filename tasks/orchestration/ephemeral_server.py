"""What a run says of itself to a Prefect server: nothing at all where none was set up to listen."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from prefect.settings import (
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED,
    PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_ENABLED,
    temporary_settings,
)

from tasks.engine.system.stale_files import is_stale, owner_tag

OWNER = "STEP4_OWNER"
"""In the environment of the server that Prefect starts for a process that named none: whose it is."""


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
    os.environ[OWNER] = owner_tag()
    with temporary_settings(FOR_RUNS_ALONE):
        yield


def stop_abandoned_servers() -> None:
    """Stop the temporary servers of processes that were killed: nobody else ends them."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            environment = process.environ() if "uvicorn" in process.cmdline() else {}
            owner = environment.get(OWNER) if "PREFECT__SERVER_EPHEMERAL" in environment else None
            if owner and is_stale(Path(owner)):
                process.terminate()

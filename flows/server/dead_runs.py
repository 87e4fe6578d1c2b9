"""Runs whose process is gone: without anybody to say how they ended, they would be Running for ever.

Their worker says so while it lives. A server that was stopped in mid-run finds them when it starts again, before its
workers do: batches wait for them, and they hold the places of deployments that have a limit.
"""

import logging
from datetime import datetime

import psutil
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.states import Cancelled, Crashed

log = logging.getLogger("step4.server")

UNDER_WAY = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
MESSAGE = "Its process is gone: it ended with the server, or with the machine. Start it again."
PAGE = 200


def end_dead_runs() -> int:
    """Call crashed, or cancelled where that was asked for, what workers of this machine have left; return how many."""
    with get_client(sync_client=True) as client:
        dead = [run for run in under_way(client) if run.deployment_id and not is_alive(run)]
        for run in dead:
            cancelled = run.state is not None and run.state.is_cancelling()
            state: State[None] = Cancelled(message=MESSAGE) if cancelled else Crashed(message=MESSAGE)
            client.set_flow_run_state(run.id, state, force=True)
            log.warning("%s: %s", run.name, MESSAGE)
    return len(dead)


def under_way(client: SyncPrefectClient) -> list[FlowRun]:
    """Return every run that has begun and not ended."""
    wanted = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=UNDER_WAY)))
    found: list[FlowRun] = []
    while page := client.read_flow_runs(flow_run_filter=wanted, limit=PAGE, offset=len(found)):
        found += page
    return found


def is_alive(run: FlowRun) -> bool:
    """Tell whether a worker's run has a process on this machine; a younger one only has the number that it had."""
    try:
        process = psutil.Process(int(run.infrastructure_pid or ""))
        born = process.create_time()
    except (ValueError, psutil.Error):
        return False
    began = run.start_time
    return process.status() != psutil.STATUS_ZOMBIE and (began is None or born <= datetime.timestamp(began) + 1)

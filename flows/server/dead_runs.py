"""Runs whose process is gone: without anybody to say how they ended, they would be Running for ever.

Their worker says so while it lives. A server that was stopped in mid-run finds them when it starts again, before its
workers do: batches wait for them, and they hold the places of deployments that have a limit.

`make serve` knows its machine's processes and asks for each. `make deploy` speaks to a server whose workers may be
anywhere, and Prefect keeps no host beside a process's number: there a run is known by its heartbeats.
"""

import logging
import time
from datetime import UTC, datetime, timedelta

import psutil
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.events.filters import EventFilter, EventNameFilter, EventResourceFilter
from prefect.states import Cancelled, Crashed

log = logging.getLogger("step4.server")

UNDER_WAY = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
MESSAGE = "Its process is gone: it ended with the server, or with the machine. Start it again."
PAGE = 200

SILENT = timedelta(minutes=2)
"""As long as the automation `step4-zombies` waits. It forgets the runs it watched when it is changed."""

SECOND_LOOK_SEC = 60.0
"""Two heartbeats: a server that was away itself heard nothing of runs that live."""

SILENT_MESSAGE = "No heartbeat for two minutes. The worker or its machine is gone. Start it again."


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


def end_silent_runs(second_look_sec: float = SECOND_LOOK_SEC) -> int:
    """Call crashed what sent heartbeats and has sent none since `SILENT`, nor before a second look; return how many."""
    with get_client(sync_client=True) as client:
        silent = silent_runs(client)
        if silent:
            log.warning("%d run(s) without a heartbeat for two minutes: another look in a minute.", len(silent))
            time.sleep(second_look_sec)
            silent = silent_runs(client)
        for run in silent:
            state: State[None] = Crashed(message=SILENT_MESSAGE)
            client.set_flow_run_state(run.id, state, force=True)
            log.warning("%s: %s", run.name, SILENT_MESSAGE)
    return len(silent)


def silent_runs(client: SyncPrefectClient) -> list[FlowRun]:
    """Return the workers' runs whose last heartbeat is too old; one that never sent any is only starting."""
    running = [run for run in under_way(client) if run.deployment_id and run.state_type == StateType.RUNNING]
    latest = datetime.now(UTC) - SILENT
    return [run for run in running if (beat := last_heartbeat(client, run)) is not None and beat < latest]


def last_heartbeat(client: SyncPrefectClient, run: FlowRun) -> datetime | None:
    """Return when a run was last heard of."""
    wanted = EventFilter(
        event=EventNameFilter(name=["prefect.flow-run.heartbeat"]),
        resource=EventResourceFilter(id=[f"prefect.flow-run.{run.id}"]),
    )
    newest = client.read_events(wanted, limit=1).events
    return newest[0].occurred if newest else None

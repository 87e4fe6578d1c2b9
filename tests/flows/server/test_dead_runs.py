"""Runs whose process is gone are said to have ended, when a server starts."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.states import Cancelling, Pending, Running, Scheduled

from flows.server.dead_runs import end_dead_runs, is_alive, under_way


@pytest.fixture
def gone() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def run_of(pid: int | str | None, began: datetime | None = None) -> FlowRun:
    """A worker's run, as a server tells of it."""
    return FlowRun(flow_id=uuid4(), infrastructure_pid=None if pid is None else str(pid), start_time=began)


def test_a_run_is_alive_while_its_process_is(gone: int) -> None:
    """Not without a process, and not by the number that another process has now."""
    assert is_alive(run_of(os.getpid(), datetime.now(UTC)))
    assert not is_alive(run_of(gone, datetime.now(UTC)))
    assert not is_alive(run_of(os.getpid(), datetime.now(UTC) - timedelta(days=9)))
    assert not is_alive(run_of(None))
    assert not is_alive(run_of("pod/7"))


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
def test_dead_runs_are_ended_and_living_ones_are_not(gone: int) -> None:
    """Crashed, cancelled where that was asked for; scheduled runs and those of no worker are left alone."""

    @flow(name="dying")
    def dying() -> None:
        """What it does is played by the test."""

    with get_client(sync_client=True) as client:
        deployment = client.create_deployment(client.create_flow(dying), "dying")

        def begin(state: State[Any], pid: int | None) -> UUID:
            run = client.create_flow_run_from_deployment(deployment)
            client.update_flow_run(run.id, infrastructure_pid=str(pid) if pid else None)
            client.set_flow_run_state(run.id, state, force=True)
            return run.id

        runs = {
            "CRASHED": [begin(Running(), gone), begin(Pending(), None)],
            "CANCELLED": [begin(Cancelling(), gone)],
            "RUNNING": [begin(Running(), os.getpid())],
            "SCHEDULED": [begin(Scheduled(), None)],
        }
        own = client.create_flow_run(dying, state=Running()).id

        assert end_dead_runs() == 3
        for kind, ids in runs.items():
            assert {client.read_flow_run(run).state_type for run in ids} == {StateType(kind)}
        assert own in {run.id for run in under_way(client)}
        assert end_dead_runs() == 0
        for run in (own, *runs["RUNNING"]):
            client.delete_flow_run(run)

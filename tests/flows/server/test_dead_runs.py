"""Runs whose process is gone are said to have ended, when a server starts."""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from deployments import AUTOMATIONS
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.states import Cancelling, Pending, Running, Scheduled

from flows.server.dead_runs import SILENT, end_dead_runs, end_silent_runs, is_alive, last_heartbeat, under_way


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


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
def test_a_dead_run_gives_its_place_back(gone: int) -> None:
    """A deployment that cancels whatever comes while it is at work, as `nightly`, takes work again."""

    @flow(name="one at a time")
    def alone() -> None:
        """What it does is played by the test."""

    limit = {"concurrency_limit": 1, "concurrency_options": {"collision_strategy": "CANCEL_NEW"}}
    with get_client(sync_client=True) as client:
        deployment = client.create_deployment(client.create_flow(alone), "alone", **limit)

        def begin() -> UUID:
            run = client.create_flow_run_from_deployment(deployment)
            client.set_flow_run_state(run.id, Pending())
            return run.id

        first = begin()
        client.update_flow_run(first, infrastructure_pid=str(gone))
        client.set_flow_run_state(first, Running())
        refused = client.read_flow_run(begin())
        assert end_dead_runs() >= 1
        taken = client.read_flow_run(begin())
        for run in (first, refused.id, taken.id):
            client.delete_flow_run(run)

    assert (refused.state_type, taken.state_type) == (StateType.CANCELLED, StateType.PENDING)


def test_silence_is_as_long_as_the_automation_waits() -> None:
    """`make deploy` calls no run crashed that the automation on the same server would still wait for."""
    (zombies,) = [one for one in AUTOMATIONS if one["name"] == "step4-zombies"]
    assert timedelta(seconds=zombies["trigger"]["within"]) == SILENT


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
def test_runs_that_fell_silent_are_ended_and_others_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever their workers are: crashed without a heartbeat for two minutes and in a second look, not before.

    A run that never sent one only starts, one that is waiting to run sends none, and one that sends one again lives.
    """

    @flow(name="falling silent")
    def silent() -> None:
        """What it does is played by the test."""

    with get_client(sync_client=True) as client:
        for automation in client.read_automations():
            client.delete_automation(automation.id)  # other tests': they would end the same runs
        deployment = client.create_deployment(client.create_flow(silent), "silent")

        def beat(run: UUID, ago: timedelta) -> None:
            event = {
                "event": "prefect.flow-run.heartbeat",
                "resource": {"prefect.resource.id": f"prefect.flow-run.{run}"},
                "occurred": (datetime.now(UTC) - ago).isoformat(),
                "id": str(uuid4()),
            }
            client.request("POST", "/events", json=[event])

        def begin(state: State[Any], *beats: timedelta) -> UUID:
            run = client.create_flow_run_from_deployment(deployment)
            client.set_flow_run_state(run.id, state, force=True)
            for ago in beats:
                beat(run.id, ago)
            return run.id

        long, short = timedelta(minutes=9), timedelta(seconds=9)
        gone, back = begin(Running(), long), begin(Running(), long)
        heard, starting, waiting = begin(Running(), long, short), begin(Running()), begin(Scheduled(), long)
        until = time.monotonic() + 60
        while None in [last_heartbeat(client, client.read_flow_run(run)) for run in (gone, back, heard, waiting)]:
            assert time.monotonic() < until, "the server has not written the heartbeats"
            time.sleep(0.5)

        def second_look(_: float) -> None:
            """The server is heard by one of the two again."""
            beat(back, timedelta())
            while last_heartbeat(client, client.read_flow_run(back)) < datetime.now(UTC) - SILENT:  # type: ignore[operator]
                time_sleep(0.5)

        time_sleep = time.sleep
        monkeypatch.setattr("flows.server.dead_runs.time.sleep", second_look)
        ended = end_silent_runs()
        states = {run: client.read_flow_run(run).state_type for run in (gone, back, heard, starting, waiting)}
        message = client.read_flow_run(gone).state.message
        for run in states:
            client.delete_flow_run(run)
    assert ended == 1
    assert states == {
        gone: StateType.CRASHED,
        back: StateType.RUNNING,
        heard: StateType.RUNNING,
        starting: StateType.RUNNING,
        waiting: StateType.SCHEDULED,
    }
    assert "No heartbeat" in str(message)

"""Stages: the same function with and without a flow run, retried in both."""

import threading
from typing import Any

import pytest

from tasks.orchestration.connection import in_flow_run
from tasks.orchestration.stage import stage


def second_try(argument: int, error: Exception) -> int | None:
    """Answer a ValueError with the next number, once."""
    return argument + 1 if isinstance(error, ValueError) and argument < 2 else None


def demanding(argument: int) -> str:
    """Work from 2 on."""
    if argument < 2:
        raise ValueError(f"{argument} is too small")
    if argument > 2:
        raise TypeError(f"{argument} is too large")
    return f"{argument}, {'in a flow run' if in_flow_run() else 'alone'}"


demanding_task = stage("demanding", retry=second_try)(demanding)


def in_a_flow(work: Any) -> Any:
    """Call something inside a flow run."""
    from prefect import flow

    @flow(name="test", persist_result=False)
    def run() -> Any:
        return work()

    return run()


def states(name: str) -> list[str]:
    """Names of the states that the newest task run of that name went through."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import TaskRunFilter, TaskRunFilterName
    from served import wait_for

    def ask() -> list[str]:
        with get_client(sync_client=True) as client:
            runs = client.read_task_runs(task_run_filter=TaskRunFilter(name=TaskRunFilterName(like_=name)))
            newest = max(runs, key=lambda run: run.expected_start_time, default=None)
            return [state.name for state in client.read_task_run_states(newest.id)] if newest else []

    return wait_for(lambda: found if (found := ask()) and found[-1] in {"Completed", "Failed"} else [])


def test_outside_a_flow_run_a_stage_is_its_function() -> None:
    """No task run, no server: the result, and the error as it was raised."""
    assert demanding_task(2) == "2, alone"
    with pytest.raises(TypeError, match="too large"):
        demanding_task(3)


def test_outside_a_flow_run_a_stage_has_its_second_attempt() -> None:
    """What `retry` answers is what the second attempt gets; where it answers None, the error stands."""
    assert demanding_task(1) == "2, alone"
    with pytest.raises(ValueError, match="1 is too small"):
        demanding_task(0)


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
def test_inside_a_flow_run_a_stage_is_a_task_run_with_a_retry() -> None:
    """The same result, and the server shows the failed attempt and the one behind it."""
    assert in_a_flow(lambda: demanding_task(1)) == "2, in a flow run"
    assert "Retrying" in states("demanding")


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
def test_inside_a_flow_run_what_is_not_worth_a_retry_fails_at_once() -> None:
    """One attempt, and the error that the function raised."""
    with pytest.raises(TypeError, match="too large"):
        in_a_flow(lambda: demanding_task(3))

    assert "Retrying" not in states("demanding")


@pytest.mark.parametrize(
    "where", [pytest.param(in_a_flow, marks=pytest.mark.slow), lambda work: work()], ids=["in a flow run", "alone"]
)
def test_a_started_stage_runs_beside_what_follows(where: Any, request: pytest.FixtureRequest) -> None:
    """It is under way before anybody waits for it; its error is raised where its result is asked for."""
    if where is in_a_flow:
        request.getfixturevalue("prefect_server")
    began, go_on = threading.Event(), threading.Event()

    def slow(fails: bool) -> str:  # a stage's argument
        began.set()
        assert go_on.wait(60)
        if fails:
            raise KeyError("asked to")
        return "done"

    def work() -> str:
        first = stage("slow")(slow).start(fails=False)
        assert began.wait(60)
        go_on.set()
        second = stage("slow")(slow).start(fails=True)
        with pytest.raises(KeyError):
            second()
        return first()

    assert where(work) == "done"

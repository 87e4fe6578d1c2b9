"""`make demo`: whole in a bare system by `.ci/fresh-debian`; here, that it asks what `step4 run` asks."""

import inspect

import pytest
from prefect.client.schemas.objects import TaskRun
from prefect.states import Completed, Running

from flows.cli.run import run
from flows.server.demo import OPTIONS, written_states


def test_the_demo_knows_every_option_of_run() -> None:
    """An option that is added to `step4 run` must not break the first command that people try."""
    assert {*OPTIONS, "profile", "videos", "as_json"} == set(inspect.signature(run).parameters)


def test_what_the_server_has_not_written_yet_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks are written after the flow has ended: none is shown as Running, none is left out."""

    def task(name: str, *, ended: bool) -> TaskRun:
        state = Completed() if ended else Running()
        return TaskRun.model_construct(name=f"{name}-1", start_time=name, state=state, state_name=state.name)

    page, show = task("page", ended=True), task("show", ended=True)
    answers = iter([[], [task("page", ended=False)], [page], [page, show], [page, show], []])
    monkeypatch.setattr("flows.server.demo.time.sleep", lambda _: None)

    assert written_states(lambda: next(answers)) == ["page Completed", "show Completed"]
    assert next(answers) == []

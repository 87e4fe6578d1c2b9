"""Failed states: an error raised on purpose is one sentence on the server, and still an error to whoever calls."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from tasks.engine.core.errors import DriftError, MediaError, Step4Error
from tasks.orchestration.failed_state import PREFECT_LOGGERS, with_failed_state
from tasks.orchestration.stage import stage


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What Prefect logs of runs, tracebacks included, whatever a command in this process let it say before."""
    from prefect.logging.configuration import setup_logging
    from prefect.settings import PREFECT_LOGGING_LEVEL, temporary_settings

    with temporary_settings({PREFECT_LOGGING_LEVEL: "INFO"}):
        # Once: doing it for the first time takes all handlers away.
        setup_logging()
        yield from gathered()
    setup_logging()


def gathered() -> Iterator[list[str]]:
    """Yield the list that their lines are added to."""
    told: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: told.append(logging.Formatter().format(record))  # type: ignore[method-assign]
    loggers = [logging.getLogger(name) for name in PREFECT_LOGGERS]
    for logger in loggers:
        logger.addHandler(handler)
    yield told
    for logger in loggers:
        logger.removeHandler(handler)


def flow_that_raises(error: Exception, ran: list[Any]) -> Any:
    """A flow whose only stage raises; its runs' ids are added to a list."""
    from prefect import flow
    from prefect.runtime import flow_run

    def broken() -> None:
        ran.append(flow_run.id)
        raise error

    return flow(name="test", persist_result=False)(with_failed_state(stage("broken")(broken)))


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (MediaError("clip.mp4 is gone"), "clip.mp4 is gone (exit code 4)"),
        (OSError(28, "No space left", "/full"), "/full could not be read or written: No space left. (exit code 6)"),
    ],
)
def test_a_refusal_is_a_sentence_in_state_and_log(error: Exception, sentence: str, lines: list[str]) -> None:
    """No traceback in any log, what Prefect's engine says of a worker's run included; the sentence is the message."""
    from prefect.client.orchestration import get_client
    from prefect.flow_engine import run_flow

    ran: list[Any] = []
    with pytest.raises(Step4Error):
        run_flow(flow_that_raises(error, ran), error_logger=logging.getLogger("prefect.flow_runs"))

    with get_client(sync_client=True) as client:
        state = client.read_flow_run(ran[0]).state
    assert state is not None
    assert state.message == sentence
    assert [line for line in lines if "Traceback" in line or "NoneType" in line] == []
    assert sum(sentence in line for line in lines) == 2  # the stage's end, and the flow's
    assert len(lines) < 8, lines


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
def test_whoever_calls_gets_the_error_itself() -> None:
    """The command line needs its exit code, a batch its report: the object that was raised."""
    error = DriftError("drift")

    with pytest.raises(DriftError) as caught:
        flow_that_raises(error, [])()

    assert caught.value is error


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
def test_what_nobody_foresaw_keeps_its_traceback(lines: list[str]) -> None:
    """A bug has to be found: the state names its class, and the log shows where it is."""
    with pytest.raises(ZeroDivisionError):
        flow_that_raises(ZeroDivisionError("x"), [])()

    assert any("Traceback" in line for line in lines)


def test_outside_a_flow_nothing_changes() -> None:
    """A function that succeeds gives what it gives."""
    assert with_failed_state(len)([1, 2]) == 2

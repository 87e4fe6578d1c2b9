"""What is said on the terminal while a command works, and what is not."""

import logging
import os
import sys
from collections.abc import Iterator

import pytest

from flows.cli.log_setup import StageHandler, log_to_stderr, quiet_prefect


@pytest.fixture(autouse=True)
def logger() -> Iterator[logging.Logger]:
    """The stages' logger, given back as it was."""
    logger = logging.getLogger("step4")
    before = logger.handlers, logger.level, logger.propagate
    yield logger
    logger.handlers, logger.level, logger.propagate = before


def test_a_line_is_shown_once_however_often_it_was_set_up(capsys: pytest.CaptureFixture[str]) -> None:
    """A second command in one process does not double the lines."""
    log_to_stderr("INFO")
    log_to_stderr("INFO")
    logging.getLogger("step4.media").info("probed")
    captured = capsys.readouterr()

    assert captured.err.count("INFO probed\n") == 1
    assert captured.out == ""


def test_what_the_command_says_itself_is_not_said_twice(capsys: pytest.CaptureFixture[str]) -> None:
    """A failure's own line is left to the command; other lines below the level are left out."""
    log_to_stderr("WARNING")
    logging.getLogger("step4.failed").error("failed")
    logging.getLogger("step4.media").info("probed")

    assert capsys.readouterr().err == ""


def test_the_handler_of_a_server_stays(logger: logging.Logger) -> None:
    """Prefect's handler sends the lines of a flow run to its server: setting up the terminal keeps it."""
    sends = logging.StreamHandler(sys.stderr)
    logger.handlers = [sends]
    log_to_stderr("INFO")

    assert sends in logger.handlers
    assert [type(one) for one in logger.handlers] == [StageHandler, logging.StreamHandler]


def test_prefect_is_quiet_unless_somebody_asked_to_hear_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A level from the environment wins."""
    monkeypatch.setenv("PREFECT_LOGGING_LEVEL", "DEBUG")
    quiet_prefect()
    assert os.environ["PREFECT_LOGGING_LEVEL"] == "DEBUG"

    monkeypatch.delenv("PREFECT_LOGGING_LEVEL")
    quiet_prefect()
    assert os.environ["PREFECT_LOGGING_LEVEL"] == "CRITICAL"

"""`make serve` in parts; whole in tests/e2e."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest

from flows.server.serve import HOST, answers, environment, free_port, is_free, stopped_by_signals, wait
from tasks.engine.core.errors import UsageError


class Healthy(BaseHTTPRequestHandler):
    """Answers 200 to everything."""

    def do_GET(self) -> None:
        """Say yes."""
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing of it."""


@pytest.fixture
def waiting() -> Iterator[subprocess.Popen[bytes]]:
    """A process that does not end by itself."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


@pytest.fixture
def ended() -> subprocess.Popen[bytes]:
    """A process that ended with code 7."""
    process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(7)"])
    process.wait()
    return process


def test_a_port_is_free_until_somebody_listens() -> None:
    """The port that the system chose is free; with a listener on it it is not."""
    port = free_port()
    assert is_free(port)

    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        assert not is_free(taken.getsockname()[1])


def test_everyone_is_told_of_this_server_and_no_other(tmp_path: Path) -> None:
    """Server, UI and runs have one address, on this machine alone; database and inbox are where they were asked for."""
    told = environment(4711, tmp_path / "home", tmp_path / "inbox")

    assert told["PREFECT_API_URL"] == told["PREFECT_UI_API_URL"] == "http://127.0.0.1:4711/api"
    assert (told["PREFECT_SERVER_API_HOST"], told["PREFECT_SERVER_API_PORT"]) == ("127.0.0.1", "4711")
    assert (told["PREFECT_HOME"], told["STEP4_INBOX"]) == (str(tmp_path / "home"), str(tmp_path / "inbox"))
    assert all(isinstance(value, str) for value in told.values())


def test_a_server_that_answers_is_waited_for_no_longer(waiting: subprocess.Popen[bytes]) -> None:
    """True as soon as its address answers."""
    with HTTPServer((HOST, 0), Healthy) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        assert answers(f"http://{HOST}:{server.server_port}/api/health", waiting, Event())
        server.shutdown()


def test_a_server_that_ended_is_not_waited_for(ended: subprocess.Popen[bytes]) -> None:
    """One sentence, with the log to look at."""
    with pytest.raises(UsageError, match=r"does not answer.*server\.log"):
        answers(f"http://{HOST}:{free_port()}/api/health", ended, Event())


def test_a_stop_during_the_start_is_no_error(waiting: subprocess.Popen[bytes]) -> None:
    """Whoever changes their mind gets a quiet end."""
    stop = Event()
    stop.set()

    assert not answers(f"http://{HOST}:{free_port()}/api/health", waiting, stop)


def test_a_worker_that_ended_by_itself_ends_all(
    waiting: subprocess.Popen[bytes], ended: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    """It is named, with its code and its log."""
    with pytest.raises(UsageError, match=r"step4-gpu ended by itself with code 7: see .*step4-gpu\.log"):
        wait({"server": waiting, "step4-gpu": ended}, Event(), tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_stop_it(number: signal.Signals) -> None:
    """Either is an end in order, and no exception."""
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        stop = stopped_by_signals()
        assert not stop.is_set()
        os.kill(os.getpid(), number)
        assert stop.wait(10)
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)

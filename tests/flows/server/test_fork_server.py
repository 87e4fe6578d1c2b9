"""What is loaded and has changed is not forked."""

import socket
from pathlib import Path

import pytest

from flows.server.fork_server import STALE, serve
from flows.server.warm_up import Warm


@pytest.mark.usefixtures("clean_settings")
def test_a_request_is_refused_where_something_has_changed() -> None:
    """The worker then starts another warm process; this one ends with its last run, of which it has none."""
    control, workers = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with control, ours:
        with workers, theirs:
            socket.send_fds(workers, [b"/a/request"], [theirs.fileno()])
        assert serve(control, Warm({"flows/changed.py": None}, Path(), 1, {}, {})) is None
        assert ours.recv(64) == STALE

"""What a worker makes of what its warm process says."""

import os
import socket
import subprocess
import sys

import anyio

from flows.server.warm_process import ForkedRun


def run_of(pid: int) -> tuple[ForkedRun, socket.socket]:
    """A run, and the end that the warm process has of its connection."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(0)
    return ForkedRun(pid, ours), theirs


def test_a_run_ends_with_the_code_that_is_told() -> None:
    """Negative where a signal ended it."""
    run, theirs = run_of(os.getpid())
    with theirs:
        theirs.send(b"-9")
        anyio.run(run.wait)

    assert run.returncode == -9


def test_a_run_that_outlives_its_warm_process_is_waited_for() -> None:
    """How it ended nobody can say: without a word of its own, it counts as failed."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    run, theirs = run_of(ended.pid)
    theirs.close()
    anyio.run(run.wait)

    assert run.returncode == 1

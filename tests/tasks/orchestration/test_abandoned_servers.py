"""Temporary servers of other processes: what an owner's number says holds only where processes are counted alike."""

import subprocess
import sys

import pytest
from serving import ROOT

from tasks.orchestration.ephemeral_server import OWNER, stop_abandoned_servers

UNSHARED = ("unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", '"$0" "$@"; exit $?')
"""Through a shell: the first process of a container ignores SIGTERM, whoever sends it."""

SERVER = f"""
import os, sys
from tasks.engine.system.stale_files import pid_namespace
owner = f"{{pid_namespace()}}-{2**22 + 1}-0"  # no process here has such a number
env = {{**os.environ, "PREFECT__SERVER_EPHEMERAL": "1", "{OWNER}": owner}}
print("started", flush=True)
work = "import sys; print('up', flush=True); sys.stdin.read()"
os.execve(sys.executable, [sys.executable, "-c", work, "uvicorn"], env)
"""


def unshares() -> bool:
    """May this process count processes anew?"""
    try:
        return subprocess.run([*UNSHARED, "true"], check=False, capture_output=True).returncode == 0
    except OSError:
        return False


@pytest.mark.parametrize(
    "before",
    [
        pytest.param((), id="here"),
        pytest.param(UNSHARED, id="container", marks=pytest.mark.skipif(not unshares(), reason="unshare is refused")),
    ],
)
def test_only_servers_whose_processes_are_counted_as_here_are_stopped(before: tuple[str, ...]) -> None:
    """Here a number without a process is a dead owner; in a container with this machine's name it says nothing."""
    command = [*before, sys.executable, "-c", SERVER]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert [process.stdout.readline(), process.stdout.readline()] == ["started\n", "up\n"]

        stop_abandoned_servers()

        try:
            process.wait(timeout=3 if before else 30)
            ended = True
        except subprocess.TimeoutExpired:
            ended = False
        process.communicate()
    assert ended is not bool(before)

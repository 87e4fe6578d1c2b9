"""Child processes of `make serve`: ended with all that they started."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from flows.server.processes import child, end

PARENT = """
import subprocess, sys, time
print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid, flush=True)
time.sleep(600)
"""


def test_a_process_ends_with_what_it_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """A grandchild that nobody asked to end is killed when patience ends, which is less here."""
    monkeypatch.setattr("flows.server.processes.STOP_SEC", 0.2)
    process = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout
    grandchild = psutil.Process(int(process.stdout.readline()))
    end(process)

    assert process.returncode is not None
    _, alive = psutil.wait_procs([grandchild], 10)
    assert [one for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []


def test_a_process_that_is_gone_is_no_error() -> None:
    """It may have ended by itself, and been waited for."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    end(process)

    assert process.returncode == 0


def test_what_a_child_says_is_in_its_log(tmp_path: Path) -> None:
    """Output and errors of a `prefect` process land in a file of its name, and a second start adds to it."""
    (tmp_path / "asked.log").write_text("before\n")
    with child("asked", ("no-such-command",), tmp_path) as process:
        assert process.wait(120) != 0
    said = (tmp_path / "asked.log").read_text(encoding="utf-8")

    assert said.startswith("before\n")
    assert "no-such-command" in said

"""A folder is served once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.server.sole import LOCK, sole
from tasks.engine.core.errors import UsageError


def test_the_second_says_where_the_first_is(tmp_path: Path) -> None:
    """Address and process of the first, and how to stop it; the first is not disturbed."""
    with sole(tmp_path, "http://127.0.0.1:4200"):
        for _ in range(2):
            with (
                pytest.raises(UsageError, match=rf"Prefect UI http://127\.0\.0\.1:4200, process {os.getpid()}.*Ctrl-C"),
                sole(tmp_path, "http://127.0.0.1:4201"),
            ):
                pass


def test_the_next_one_has_the_folder_to_itself(tmp_path: Path) -> None:
    """When the first has ended nothing keeps the second out, and it is the one that a third would be told of."""
    with sole(tmp_path, "http://127.0.0.1:4200/long"):
        pass
    with sole(tmp_path, "http://127.0.0.1:1"):
        assert (tmp_path / LOCK).read_text() == f"Prefect UI http://127.0.0.1:1, process {os.getpid()}"


def test_a_server_that_outlived_its_make_serve_is_named(tmp_path: Path) -> None:
    """After kill -9 its children hold the lock, and are to be ended by hand."""
    environment = {**os.environ, "PREFECT_HOME": str(tmp_path)}
    with sole(tmp_path, "http://127.0.0.1:4200") as lock:
        (tmp_path / LOCK).write_text("Prefect UI http://127.0.0.1:4200, process 999999999")
        orphan = subprocess.Popen(
            [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[lock], env=environment
        )
    try:
        with pytest.raises(UsageError, match=rf"left others behind: kill {orphan.pid};"), sole(tmp_path, ""):
            pass
    finally:
        orphan.communicate(b"\n")

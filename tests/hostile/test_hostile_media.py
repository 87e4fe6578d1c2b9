"""Hostile media: every file is refused for what it is, in bounded time, and nothing else is opened or written."""

import os
import re
import resource
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from corpus import ACCEPTED, CASES, REFUSED, Case
from paths import ROOT

from tasks.engine.core.errors import MediaError
from tasks.engine.media.decode import decode
from tasks.engine.system import sandbox
from tasks.media import probe

SECONDS = 60
"""CPU time that no case may use: an honest clip needs one."""


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A server that nobody must talk to."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)  # noqa: FBT003  # the standard library's signature
        yield server


def used() -> float:
    """CPU seconds of all child processes so far."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Every name below a folder with size and time of change."""
    return {
        os.fspath(path.relative_to(folder)): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in folder.rglob("*")
    }


def attempt(video: Path, out: Path, case: Case) -> MediaError | None:
    """Probe and decode; the refusal."""
    try:
        decode(probe(video, case.limits), out / "samples.f32", sandbox.run, case.limits)
    except MediaError as error:
        return error
    return None


@pytest.mark.parametrize("name", CASES)
def test_hostile_files_do_no_harm(tmp_path: Path, listener: socket.socket, name: str) -> None:
    """Exit code 4 and one sentence with file and reason; nothing written, nobody called, time bounded."""
    case, out = CASES[name], tmp_path / "out"
    (tmp_path / "in").mkdir()
    out.mkdir()
    video = case.make(tmp_path / "in", listener.getsockname()[1])
    if name == "may not be read" and os.access(video, os.R_OK):
        pytest.skip("root may read every file")
    before, started = tree(tmp_path / "in"), used()

    refusal = attempt(video, out, case)

    assert used() - started < SECONDS
    assert tree(tmp_path / "in") == before
    with pytest.raises(BlockingIOError):
        listener.accept()
    if case.code == ACCEPTED:
        assert refusal is None
        return
    assert refusal is not None
    message = str(refusal)
    assert refusal.exit_code == REFUSED
    assert re.search(case.found, message), message
    assert repr(video.name)[1:-1] in message
    assert message.isprintable()
    assert not list(out.iterdir())


def test_the_corpus_is_large_enough() -> None:
    """At least forty kinds of harm."""
    assert len(CASES) >= 40


TRACED = "import sys; from pathlib import Path; from tasks.media import probe; probe(Path(sys.argv[1]))"


@pytest.mark.parametrize("name", ["HLS to http", "HLS with a key from http", "ffconcat to http", "SDP", "DASH to http"])
def test_no_socket_is_even_asked_for(tmp_path: Path, name: str) -> None:
    """The lists of protocols and formats alone keep every process from the network: no call reaches the kernel."""
    if not shutil.which("strace") or subprocess.run(["strace", "true"], capture_output=True, check=False).returncode:
        pytest.skip("strace is not there, or may not trace")
    video = CASES[name].make(tmp_path, 9)
    log = tmp_path / "calls"
    traced = ["strace", "-f", "-e", "trace=socket,connect,sendto", "-o", str(log), sys.executable, "-c", TRACED]
    done = subprocess.run([*traced, str(video)], cwd=ROOT, capture_output=True, check=False)

    assert b"MediaError" in done.stderr
    # The C library may ask a local service who we are.
    calls = [
        line for line in log.read_text().splitlines() if "(" in line and "AF_UNIX" not in line and "+++" not in line
    ]
    assert calls == []

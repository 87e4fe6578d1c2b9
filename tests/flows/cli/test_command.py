"""Ctrl-C in a terminal: exit code 130 at the first press, at every stage of every long command, and one line."""

import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from media_samples import clip
from paths import ROOT, SUPPORT
from scripted_runs import publish

from flows.cli.command import SENTENCE

pytestmark = pytest.mark.usefixtures("clean_settings")

PATIENCE_SEC = 120
END_SEC = 20.0
"""Five seconds are promised; on a busy machine a process that clears up gets a fraction of a processor."""


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five seconds with sound."""
    return clip(tmp_path_factory.mktemp("master") / "clip.mp4")


@pytest.fixture
def video(master: Path, tmp_path: Path) -> Path:
    """A copy in a folder of its own."""
    (tmp_path / "videos").mkdir()
    return Path(shutil.copy(master, tmp_path / "videos"))


def interrupted(folder: Path, begun: Path, *arguments: str | Path) -> tuple[int, str]:
    """Press Ctrl-C once in a terminal that Python runs in, when a file is there; exit code, and what it shows.

    Whatever it was doing, it has ended `END_SEC` later.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment |= {"PYTHONPATH": os.pathsep.join((str(ROOT), str(SUPPORT))), "TERM": "xterm"}
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execve(sys.executable, [sys.executable, *map(str, arguments)], environment)  # noqa: S606
    until, shown, pressed = time.monotonic() + PATIENCE_SEC, b"", None
    os.set_blocking(terminal, False)
    while True:
        if begun.exists() and pressed is None:
            os.write(terminal, b"\x03")
            pressed = time.monotonic()
        try:
            shown += os.read(terminal, 65536)
        except BlockingIOError:
            time.sleep(0.02)
        except OSError:  # the terminal's last process has ended
            break
        if time.monotonic() > until:
            psutil.Process(pid).kill()
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert pressed is not None, shown
    assert time.monotonic() - pressed < END_SEC
    return os.waitstatus_to_exitcode(status), shown.decode(errors="replace")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "command"),
    [
        ("endless", "run"),
        ("endless", "batch"),
        ("endless", "audit"),
        ("endless", "selfcheck"),
        ("in_c", "run"),
        ("deaf", "batch"),
        ("on_cpu_beside", "run"),
    ],
)
def test_ctrl_c_ends_every_command(how: str, command: str, video: Path, tmp_path: Path) -> None:
    """Networks that can be interrupted, that are in C code, that take it for an error, that compute in a thread."""
    if command == "audit":
        publish(video)
    places = [] if command == "selfcheck" else [video.parent if command != "run" else video]
    begun = tmp_path / "begun"

    code, shown = interrupted(tmp_path, begun, "-m", "stopped_run", begun, how, command, *places)

    assert code == 130, shown
    assert shown.count(f"step4: {SENTENCE}") == 1, shown
    assert "Traceback" not in shown
    assert shown.rpartition("^C")[2].count("\n") <= 2, shown  # progress that is taken away, and the line


@pytest.mark.slow
def test_ctrl_c_while_the_command_loads_is_the_same(tmp_path: Path) -> None:
    """Half of a second that nobody sees: the modules of the command line are imported."""
    (tmp_path / "typer.py").write_text("import pathlib, time\npathlib.Path('begun').touch()\ntime.sleep(1000)\n")
    start = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from flows.cli.command import command; command()"

    code, shown = interrupted(tmp_path, tmp_path / "begun", "-c", start)

    assert (code, "Traceback" in shown, shown.count(SENTENCE)) == (130, False, 1), shown


MAIN_THREAD = """
import os, signal, sys, threading, types
from flows.cli import command

def main():
    threading.Thread(target=threading.Event().wait).start()
    os.kill(os.getpid(), signal.SIGINT)

sys.modules["flows.cli.main"] = types.SimpleNamespace(main=main)
command.command()
"""
WATCHDOG = """
import os, signal, threading, time
from flows.cli.command import watch_for_signals

watch_for_signals(0.0)
signal.signal(signal.SIGINT, lambda *_: None)
os.kill(os.getpid(), signal.SIGINT)
threading.Event().wait()
"""


@pytest.mark.parametrize("script", [MAIN_THREAD, WATCHDOG], ids=["main_thread", "watchdog"])
@pytest.mark.parametrize("closed", [False, True], ids=["no_reader", "no_stream"])
def test_ctrl_c_ends_with_130_where_nobody_reads_any_more(script: str, closed: bool) -> None:
    """In `step4 run 2>&1 | tee log` the signal ends tee, too; another thread is at work, or the main one is deaf."""
    reading, writing = os.pipe()
    os.close(reading)
    close = "import sys; sys.__stdout__.close(); sys.__stderr__.close()\n" if closed else ""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", close + script, "--json"], stdout=writing, stderr=writing, env=environment
    )
    os.close(writing)
    try:
        assert process.wait(PATIENCE_SEC) == 130
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()

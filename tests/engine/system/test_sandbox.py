"""Programs on untrusted files: bounded, alone, without network or secrets."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from paths import ROOT

from tasks.engine.core.errors import EngineError
from tasks.engine.system import sandbox
from tasks.engine.system.sandbox import Bounds

ROOMY = Bounds(wall_sec=60, cpu_sec=30, memory_bytes=4 << 30, output_bytes=1 << 20)


def python(code: str, bounds: Bounds = ROOMY) -> sandbox.ProcessResult:
    """Run a line of Python in the sandbox."""
    return sandbox.run([sys.executable, "-c", code], bounds)


def gone(pid: int) -> bool:
    """Does this process end? SIGKILL takes effect at once, though not before kill() returns."""
    state = Path(f"/proc/{pid}/stat")
    for _ in range(200):
        try:
            if state.read_text().split()[2] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


def test_nothing_outlives_the_timeout(tmp_path: Path) -> None:
    """A program that hangs is killed together with the processes that it started."""
    child = f"import subprocess as s,time; open({str(tmp_path / 'pid')!r},'w').write(str(s.Popen(['sleep','60']).pid))"
    with pytest.raises(subprocess.TimeoutExpired):
        python(f"{child}; time.sleep(60)", Bounds(2, 30, 4 << 30, 1 << 20))
    assert gone(int((tmp_path / "pid").read_text()))


def test_nothing_outlives_a_killed_caller(tmp_path: Path) -> None:
    """Kill -9 of the process that started it ends a sandboxed program too: no orphan decodes on."""
    inner = f"import os,time; open({str(tmp_path / 'pid')!r},'w').write(str(os.getpid())); time.sleep(60)"
    outer = (
        "import sys; from tasks.engine.system import sandbox; from tasks.engine.system.sandbox import Bounds; "
        f"sandbox.run([sys.executable, '-c', {inner!r}], Bounds(60, 30, 4 << 30, 1 << 20))"
    )
    with subprocess.Popen([sys.executable, "-c", outer], cwd=ROOT) as caller:
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            assert caller.poll() is None
            time.sleep(0.05)
        caller.kill()
    assert gone(int((tmp_path / "pid").read_text()))


def test_environment_is_clean() -> None:
    """Of the environment, with its tokens and proxies, a sandboxed program sees a short list and nothing else."""
    finished = python("import os,sys; print(*os.environ, sep='\\n', file=sys.stderr)")
    assert set(finished.stderr.decode().split()) <= {*sandbox.INHERITED_VARIABLES, *sandbox.FIXED_VARIABLES, "LC_CTYPE"}


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's filter of system calls is Linux's")
@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6", "AF_NETLINK"])
def test_the_network_is_shut(family: str) -> None:
    """The kernel refuses to open a socket, whatever the program is; local ones pass."""
    finished = python(f"import socket; socket.socket(socket.AF_UNIX); socket.socket(socket.{family}, socket.SOCK_RAW)")
    assert finished.returncode == 1
    assert b"PermissionError" in finished.stderr


def test_memory_is_bounded() -> None:
    """More than the limit is not given."""
    assert b"MemoryError" in python("bytearray(6 << 30)").stderr


def test_cpu_time_is_bounded() -> None:
    """A busy loop ends by the kernel's hand, and the reason can be told."""
    bounds = Bounds(60, 1, 4 << 30, 1 << 20)
    finished = python("while True: pass", bounds)
    assert "1 s of CPU time" in sandbox.exit_reason(finished.returncode, bounds)


def test_output_is_bounded(tmp_path: Path) -> None:
    """No file grows beyond the limit."""
    assert b"File too large" in python(f"open({str(tmp_path / 'big')!r}, 'wb').write(bytes(2 << 20))").stderr
    assert (tmp_path / "big").stat().st_size <= 1 << 20


def test_a_program_cannot_talk_the_memory_full() -> None:
    """Of a long complaint both ends are kept, and the program is not held up."""
    finished = python("import sys\nfor i in range(100_000): print(i, 'x' * 100, file=sys.stderr)")
    assert finished.returncode == 0
    assert len(finished.stderr) <= 4 * sandbox.STDERR_BYTES
    assert finished.stderr.startswith(b"0 x")
    assert b"99999 x" in finished.stderr


def test_a_missing_program_is_an_engine_error() -> None:
    """One sentence with its name."""
    with pytest.raises(EngineError, match=r"/nowhere/ffmpeg could not be started: No such file"):
        sandbox.run(["/nowhere/ffmpeg"], ROOMY)

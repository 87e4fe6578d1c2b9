"""Locks between processes."""

import subprocess
import sys
from pathlib import Path

import pytest
from filelock import Timeout
from paths import ROOT

from tasks.engine.system.locks import lock_for

HOLD = (
    "import sys; from pathlib import Path; from tasks.engine.system.locks import lock_for; "
    "lock = lock_for(Path(sys.argv[1])); lock.acquire(); print('held', flush=True); sys.stdin.read()"
)


def test_a_lock_is_held_against_other_processes_and_dies_with_its_own(tmp_path: Path) -> None:
    """While another process holds it nobody gets it; when that process is killed it is free at once."""
    path = tmp_path / "absent"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(Timeout):
            lock_for(path).acquire(timeout=0)
        holder.kill()
    with lock_for(path).acquire(timeout=0):
        assert not path.exists()


def test_one_path_has_one_lock_however_it_is_spelt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative and absolute names meet; another path has another lock."""
    monkeypatch.chdir(tmp_path)

    assert lock_for(Path("x")).lock_file == lock_for(tmp_path / "x").lock_file
    assert lock_for(Path("x")).lock_file != lock_for(Path("y")).lock_file

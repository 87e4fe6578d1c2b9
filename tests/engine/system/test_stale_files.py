"""What killed processes left behind is recognised by its name."""

import os
import subprocess
import sys
from pathlib import Path

from tasks.engine.system.stale_files import is_stale, owner_tag, pid_namespace, remove_stale


def ended_process() -> int:
    """The ID of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid


def test_a_tag_names_this_process_once() -> None:
    """Namespace and process ID stand in front; no two tags are equal."""
    assert owner_tag().startswith(f"{pid_namespace()}-{os.getpid()}-")
    assert owner_tag() != owner_tag()


def test_only_what_belongs_to_the_dead_is_removed(tmp_path: Path) -> None:
    """Files and folders of an ended process go; those of a living one, and names that are no tags, stay."""
    dead = f"{pid_namespace()}-{ended_process()}-00"
    (tmp_path / dead).mkdir()
    (tmp_path / dead / "inside").touch()
    (tmp_path / f".step4-{dead}.part").touch()
    (tmp_path / owner_tag()).mkdir()
    (tmp_path / "clip.mp4").touch()
    remove_stale(tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith(pid_namespace())) == ["clip.mp4"]
    assert len(list(tmp_path.iterdir())) == 2


def test_what_is_gone_already_is_not_stale(tmp_path: Path) -> None:
    """Another process may have removed it meanwhile."""
    assert not is_stale(tmp_path / "other-machine-1-00")

"""Full disks, bad disks and two runs at once: what was published stays whole."""

import errno
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from media_samples import clip
from scripted_runs import TURNS, contents, publish

from tasks.engine.core.errors import StorageError
from tasks.engine.core.turns import Turn
from tasks.engine.publishing.manifest import load_verified_manifest
from tasks.engine.system.atomic import Disk, disk_replaced
from tasks.engine.system.stale_files import is_stale, pid_namespace, remove_stale
from tasks.engine.testing import ScriptedDiarizer

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("clean_settings")]

OTHER = (Turn(0.2, 4.0, "SPEAKER_00"),)


class Counting(Disk):
    """Counts every call that makes something last; the one with the given number fails."""

    def __init__(self, fails_at: int | None = None, code: int = errno.ENOSPC) -> None:
        self.calls: list[str] = []
        self.fails_at, self.code = fails_at, code

    def _count(self, call: str) -> None:
        self.calls.append(call)
        if self.fails_at == len(self.calls) - 1:
            raise OSError(self.code, os.strerror(self.code))

    def sync(self, path: Path) -> None:
        """Count, then do it."""
        self._count(f"sync {path.name}")
        super().sync(path)

    def replace(self, source: Path, target: Path) -> None:
        """Count, then do it."""
        self._count(f"replace {target.name}")
        super().replace(source, target)

    def make_folder(self, path: Path) -> None:
        """Count, then do it."""
        self._count(f"make {path.name}")
        super().make_folder(path)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A video in a folder of its own."""
    (tmp_path / "videos").mkdir()
    return clip(tmp_path / "videos" / "clip.wav")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO], ids=errno.errorcode.get)
def test_whichever_write_fails_the_publication_stays(video: Path, code: int) -> None:
    """Every folder, sync and rename of a run in turn fails: exit code 6, and the old files are whole, byte for byte."""
    publish(video)
    before = contents(video.parent)
    counting = Counting()
    with disk_replaced(counting):
        publish(video, ScriptedDiarizer(OTHER), min_speech_ms=200)
    assert contents(video.parent) != before
    assert len(counting.calls) > 20
    publish(video)
    before = contents(video.parent)

    # Every call with a full disk; with a bad one every fifth, since what follows is the same.
    for place, call in list(enumerate(counting.calls))[:: 1 if code == errno.ENOSPC else 5]:
        shutil.rmtree(video.parent / ".step4", ignore_errors=True)
        with disk_replaced(Counting(place, code)), pytest.raises(StorageError):
            publish(video, ScriptedDiarizer(OTHER), min_speech_ms=200)
        assert contents(video.parent) == before, call
        assert not list(video.parent.rglob("*.part")), call
        assert not list((video.parent / ".step4").glob("staging/*")), call


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 2 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_leaves_the_publication(video: Path, small_disk: Path) -> None:
    """With ever less space left on a real disk: either the new files are there, or the old ones as they were."""
    publish(video, output=small_disk)
    before, failures = contents(small_disk), 0
    for free in (0, 4, 16, 64, 300, 330, 340, 350, 360, 380, 400):
        shutil.rmtree(small_disk / ".step4", ignore_errors=True)
        space = os.statvfs(small_disk)
        filler = small_disk / "filler"
        filler.write_bytes(bytes(max(0, space.f_bavail * space.f_frsize - free * 1024)))
        try:
            publish(video, ScriptedDiarizer(OTHER), small_disk, min_speech_ms=200)
        except StorageError:
            failures += 1
            filler.unlink()
            assert contents(small_disk) == before, free
        filler.unlink(missing_ok=True)
        assert load_verified_manifest(small_disk / "clip_step4.json") is not None, free
        assert not list(small_disk.rglob("*.part")), free
        publish(video, output=small_disk)
        before = contents(small_disk)

    assert failures >= 5


def test_a_refusal_needs_no_space(video: Path) -> None:
    """Drift on a disk that takes no more copies: what was refused is moved, the publication stays."""
    from tasks.engine.core.errors import DriftError

    publish(video)
    before = contents(video.parent)
    with pytest.raises(DriftError):
        publish(video, ScriptedDiarizer(TURNS, candidate=OTHER), gpu=True)

    assert contents(video.parent) == before
    assert not (video.parent / ".step4" / "refused" / "clip" / "samples.f32").exists()


def test_leftovers_of_the_dead_are_swept(video: Path) -> None:
    """Temporary files of a killed process go at the next start; those of living ones and of other machines stay."""
    store = video.parent / ".step4" / "inferences"
    store.mkdir(parents=True)
    dead, alive, elsewhere = (
        folder / f".step4-{node}-{pid}-0123456789abcdef.part"
        for folder, node, pid in (
            (store, pid_namespace(), 2**22 + 1),
            (video.parent, pid_namespace(), os.getpid()),
            (store, "other-machine", 1),
        )
    )
    for path in (dead, alive, elsewhere):
        path.write_text("half")
    publish(video)

    assert [path.exists() for path in (dead, alive, elsewhere)] == [False, True, True]


def test_a_container_with_this_machines_name_is_another_machine(tmp_path: Path) -> None:
    """On the host's network a container has the host's name, but counts processes anew: its dead are not ours."""
    path = tmp_path / f"{platform.node()}.1-{2**22 + 1}-0123456789abcdef"
    path.mkdir()

    assert not is_stale(path)


def test_what_another_machine_left_is_swept_after_a_week(tmp_path: Path) -> None:
    """Nobody can ask whether its process lives: age decides."""
    path = tmp_path / "other-1-0123456789abcdef"
    path.mkdir()
    assert not is_stale(path)
    os.utime(path, (0, 0))
    remove_stale(tmp_path)

    assert not path.exists()

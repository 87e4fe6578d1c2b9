"""A file appears whole or not at all."""

import errno
import hashlib
import os
from pathlib import Path

import pytest

from tasks.engine.core.errors import DriftError, StorageError
from tasks.engine.system.atomic import PARTIAL_PATTERN, Disk, atomic_path, atomic_write_text, sha256_of


class RecordingDisk(Disk):
    """Notes every call, and fails the one with the given number."""

    def __init__(self, fails_at: int | None = None, code: int = errno.ENOSPC) -> None:
        self.calls: list[tuple[str, ...]] = []
        self._fails_at = fails_at
        self._code = code

    def sync(self, path: Path) -> None:
        """Note, then do it."""
        self._note("sync", path.suffix or "folder")
        super().sync(path)

    def replace(self, source: Path, target: Path) -> None:
        """Note, then do it."""
        self._note("replace", source.suffix, target.name)
        super().replace(source, target)

    def _note(self, *call: str) -> None:
        self.calls.append(call)
        if self._fails_at == len(self.calls) - 1:
            raise OSError(self._code, os.strerror(self._code))


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    """A file that exists already."""
    path = tmp_path / "folder" / "clip.txt"
    path.parent.mkdir()
    path.write_text("old")
    return path


def names(folder: Path) -> list[str]:
    """Everything in the folder."""
    return sorted(path.name for path in folder.iterdir())


def test_content_is_synced_before_the_name_changes_and_the_folder_after(dest: Path) -> None:
    """Any other order can leave an empty file under the final name after a power cut."""
    disk = RecordingDisk()
    with atomic_path(dest, disk) as temporary:
        temporary.write_text("new")

    assert disk.calls == [("sync", ".part"), ("replace", ".part", "clip.txt"), ("sync", "folder")]
    assert (dest.read_text(), names(dest.parent)) == ("new", ["clip.txt"])


def test_the_temporary_file_stands_beside_the_destination(dest: Path) -> None:
    """Only within one folder is the replacement one step; the pattern finds what a crash leaves."""
    with atomic_path(dest) as temporary:
        temporary.write_text("new")

        assert list(dest.parent.glob(PARTIAL_PATTERN)) == [temporary]
        assert dest.read_text() == "old"


@pytest.mark.parametrize("fails_at", [0, 1])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_failing_disk_leaves_the_old_file(dest: Path, fails_at: int, code: int) -> None:
    """Whichever call fails before the name changes: old content, no temporary file, one sentence with the cause."""
    with (
        pytest.raises(StorageError, match=os.strerror(code)) as failure,
        atomic_path(dest, RecordingDisk(fails_at, code)) as temporary,
    ):
        temporary.write_text("new")

    assert str(dest) in str(failure.value)
    assert (dest.read_text(), names(dest.parent)) == ("old", ["clip.txt"])


def test_a_failing_folder_sync_is_reported(dest: Path) -> None:
    """The file may not survive a power cut, so success must not be claimed."""
    with pytest.raises(StorageError), atomic_path(dest, RecordingDisk(2, errno.EIO)) as temporary:
        temporary.write_text("new")

    assert names(dest.parent) == ["clip.txt"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError, DriftError])
def test_an_interrupted_block_leaves_the_old_file(dest: Path, error: type[BaseException]) -> None:
    """Whatever ends the block passes through unchanged, and nothing of the new file stays."""

    def interrupted() -> None:
        with atomic_path(dest) as temporary:
            temporary.write_text("new")
            raise error

    with pytest.raises(error):
        interrupted()

    assert (dest.read_text(), names(dest.parent)) == ("old", ["clip.txt"])


def test_a_block_that_writes_nothing_is_an_error(dest: Path) -> None:
    """No file came, so the old one must not pass for a new one."""
    with pytest.raises(StorageError), atomic_path(dest):
        pass

    assert dest.read_text() == "old"


def test_a_missing_folder_is_a_storage_error(tmp_path: Path) -> None:
    """The folder is named, and not created behind the user's back."""
    with pytest.raises(StorageError, match="No such file"), atomic_path(tmp_path / "no" / "clip.txt") as temporary:
        temporary.write_text("new")

    assert names(tmp_path) == []


def test_permissions_follow_the_umask(dest: Path) -> None:
    """Other users of the workflow read these files: a private temporary file would stay private."""
    with atomic_path(dest) as temporary:
        temporary.write_text("new")
    plain = dest.parent / "plain"
    plain.write_text("")

    assert dest.stat().st_mode == plain.stat().st_mode


def test_sha256_is_that_of_the_content(tmp_path: Path) -> None:
    """Also beyond one block."""
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 5000)

    assert sha256_of(path) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_sha256_of_nothing_is_a_storage_error(tmp_path: Path) -> None:
    """A file that cannot be read is named."""
    with pytest.raises(StorageError, match="absent"):
        sha256_of(tmp_path / "absent")


def test_a_text_is_written_as_it_stands(dest: Path) -> None:
    """UTF-8, line ends untouched; a folder that is missing is a storage error."""
    atomic_write_text(dest, "é\r\n\n")

    assert dest.read_bytes() == "é\r\n\n".encode()
    with pytest.raises(StorageError, match="No such file"):
        atomic_write_text(dest.parent / "no" / "x", "")

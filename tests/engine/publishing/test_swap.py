"""One set of files takes the place of another: all or none, and the manifest never lies."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.engine.publishing.swap import restore, swap
from tasks.engine.system.atomic import Disk, disk_replaced

OLD = {"a": "old", "b": "old", "gone": "old", "manifest": "old"}
NEW = {"a": "new", "b": "new", "c": "new", "manifest": "new"}


class Failing(Disk):
    """Counts the calls; the one with the given number ends in an error."""

    def __init__(self, fails_at: int | None = None, error: Callable[[], BaseException] = KeyboardInterrupt) -> None:
        self.calls, self.fails_at, self.error = 0, fails_at, error
        self.watch: Callable[[], None] = lambda: None

    def _count(self) -> None:
        self.watch()
        self.calls += 1
        if self.fails_at == self.calls - 1:
            raise self.error()

    def sync(self, path: Path) -> None:
        """Count, then do it."""
        self._count()
        super().sync(path)

    def replace(self, source: Path, target: Path) -> None:
        """Count, then do it."""
        self._count()
        super().replace(source, target)


@pytest.fixture
def public(tmp_path: Path) -> Path:
    """A folder with an old publication, and the new one staged beside it."""
    for folder, files in (("public", OLD), ("staged", NEW)):
        (tmp_path / folder).mkdir()
        for name, content in files.items():
            (tmp_path / folder / name).write_text(content)
    return tmp_path / "public"


def files(folder: Path) -> dict[str, str]:
    """Names and contents."""
    return {path.name: path.read_text() for path in folder.iterdir()}


def attempt(public: Path, disk: Disk) -> None:
    """Swap old for new."""
    staged = public.parent / "staged"
    with disk_replaced(disk):
        swap({staged / name: public / name for name in NEW}, [public / "gone"], public.parent / "previous" / "clip")


def test_the_new_set_replaces_the_old_one(public: Path) -> None:
    """What the new set no longer has is gone too, and nothing waits aside."""
    attempt(public, Disk())

    assert files(public) == NEW
    assert not (public.parent / "previous" / "clip").exists()


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt, lambda: OSError(errno.ENOSPC, ""), lambda: OSError(errno.EIO, "")]
)
def test_whichever_call_fails_the_old_set_is_whole(public: Path, error: Callable[[], BaseException]) -> None:
    """Every change of a name in turn: disk full, a bad disk, or an interruption."""
    counting = Failing()
    attempt(public, counting)
    for name in NEW:
        (public / name).replace(public.parent / "staged" / name)
    for name, content in OLD.items():
        (public / name).write_text(content)

    for place in range(counting.calls):
        with pytest.raises((KeyboardInterrupt, OSError)):
            attempt(public, Failing(place, error))
        assert files(public) == OLD, place
        for name, content in NEW.items():
            (public.parent / "staged" / name).write_text(content)


def test_a_manifest_in_place_is_true_at_every_instant(public: Path) -> None:
    """Whenever a reader looks: the old manifest with the old files, the new with the new, or none."""
    disk, seen = Failing(), []
    disk.watch = lambda: seen.append(files(public))
    attempt(public, disk)

    assert all(visible in (OLD, NEW) for visible in seen if "manifest" in visible)
    assert any("manifest" not in visible for visible in seen)


class Killed(Disk):
    """Stops between two changes of a name as kill -9 does: nothing after it runs."""

    def __init__(self, after: int) -> None:
        self.left = after

    def replace(self, source: Path, target: Path) -> None:
        """Do it, unless it is too late."""
        self.left -= 1
        if self.left >= 0:
            super().replace(source, target)


@pytest.mark.parametrize("after", range(8))
def test_a_killed_swap_is_undone_at_the_next_start(public: Path, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However far it came: afterwards the old set is whole, or the new one where its manifest was in place."""
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)
    attempt(public, Killed(after))
    monkeypatch.undo()
    restore(public.parent / "previous" / "clip", public / "manifest")

    restored = files(public)
    assert {name: restored[name] for name in OLD} == OLD
    assert not (public.parent / "previous").exists()

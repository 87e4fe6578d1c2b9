"""Prefect's UIs, restricted to their own server."""

import shutil
from pathlib import Path

import pytest

from flows.server.user_interface import META, UIS, is_made, make_user_interface
from tasks.engine.core.errors import StorageError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both UIs, made once."""
    folder = tmp_path_factory.mktemp("ui") / "made"
    make_user_interface(folder)
    return folder


def test_a_page_says_what_it_may_ask_before_it_asks_for_anything(made: Path) -> None:
    """A policy behind a script would not hold for that script."""
    for ui in UIS:
        html = (made / ui / "index.html").read_text(encoding="utf-8")

        assert html.index(META) < min(html.index("<script"), html.index("<link"))


def test_no_host_is_named_but_this_machine() -> None:
    """'self' is the server; nothing else may be asked."""
    words = META.replace(";", " ").split()

    assert [word for word in words if "://" in word and "127.0.0.1" not in word and "localhost" not in word] == []


@pytest.mark.parametrize("spoilt", ["UI_SERVE_BASE", "index.html"])
def test_pages_of_another_version_or_without_the_policy_are_made_anew(made: Path, tmp_path: Path, spoilt: str) -> None:
    """As after an update of Prefect, or where a server that was started by hand put its own pages there."""
    folder = tmp_path / "ui"
    shutil.copytree(made, folder)
    assert is_made(folder)
    (folder / "v2" / spoilt).write_text("v2:3.0.0:/v2", encoding="utf-8")
    assert not is_made(folder)


def test_a_folder_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    """Prefect only logs it, and would serve nothing, or what it finds."""
    (tmp_path / "ui").write_text("a file", encoding="utf-8")

    for folder in (tmp_path / "ui", tmp_path / "ui" / "below", Path("/proc/ui")):
        with pytest.raises(StorageError, match="expected a folder that can be written"):
            make_user_interface(folder)

"""A user without HOME and without an entry in passwd has a home directory all the same."""

import os
import pwd
import tempfile
from pathlib import Path
from unittest.mock import Mock

import pytest

from tasks.engine.core.errors import UsageError
from tasks.engine.system.environment import machine_settings
from tasks.engine.system.home import ensure_home


@pytest.fixture
def homeless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Such a user; the folder that is made for it."""
    monkeypatch.chdir(tmp_path)
    for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME", "STEP4_CACHE_DIR", "STEP4_DIAGNOSTICS_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "")  # so that it is put back
    monkeypatch.setattr(pwd, "getpwuid", Mock(side_effect=KeyError("no such user")))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / f"step4-{os.getuid()}"


@pytest.mark.parametrize("home", [None, "", "relative"])
def test_it_is_a_folder_of_this_users_alone(home: str | None, homeless: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings are resolved with it, twice alike."""
    if home is None:
        monkeypatch.delenv("HOME")
    else:
        monkeypatch.setenv("HOME", home)

    assert machine_settings().cache_dir == homeless / ".cache" / "step4"
    assert machine_settings().diagnostics_dir == homeless / ".local" / "state" / "step4"
    assert Path.home() == homeless
    assert homeless.stat().st_mode & 0o777 == 0o700


def test_a_home_directory_is_left_alone(homeless: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the variable, whether passwd has an entry or not; and that of passwd."""
    monkeypatch.setenv("HOME", "/somewhere")
    ensure_home()
    assert os.environ["HOME"] == "/somewhere"

    monkeypatch.setattr(pwd, "getpwuid", Mock())
    monkeypatch.setenv("HOME", "")
    ensure_home()
    assert os.environ["HOME"] == ""
    assert not homeless.exists()


def test_a_folder_of_another_user_is_not_trusted(homeless: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody may make one of that name, and put answers into it."""
    homeless.mkdir()
    monkeypatch.setattr(Path, "lstat", Mock(return_value=Mock(st_uid=os.getuid() + 1)))

    with pytest.raises(UsageError, match="is another user's: set HOME"):
        ensure_home()

"""Settings of a machine: the environment, else `.env`, by one route for all of them."""

from pathlib import Path

import pytest

from tasks.engine.core.errors import UsageError
from tasks.engine.system.environment import TOKEN_VARIABLES, hub_token, machine_settings


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder without `.env`, and no tokens."""
    monkeypatch.chdir(tmp_path)
    for name in (*TOKEN_VARIABLES, *FOLDERS, "STEP4_GPU_SLOT"):
        monkeypatch.delenv(name, raising=False)


FOLDERS = {"STEP4_MODELS_DIR": "models_dir", "STEP4_CACHE_DIR": "cache_dir", "STEP4_DIAGNOSTICS_DIR": "diagnostics_dir"}


@pytest.mark.parametrize(("variable", "field"), FOLDERS.items())
def test_the_environment_wins_over_the_file(variable: str, field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`.env` fills what the environment leaves empty or unset, for every variable; neither: the default."""
    default = getattr(machine_settings(), field)
    Path(".env").write_text(f"{variable}=file\n")
    assert getattr(machine_settings(), field) == Path("file")
    monkeypatch.setenv(variable, "")
    assert getattr(machine_settings(), field) == Path("file")
    monkeypatch.setenv(variable, "process")
    assert getattr(machine_settings(), field) == Path("process")
    assert default not in {Path("file"), Path("process")}


def test_the_cache_lies_where_the_system_keeps_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The user's cache folder, which XDG_CACHE_HOME moves."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert machine_settings().cache_dir == tmp_path / "step4"


def test_diagnostics_are_not_left_wherever_one_stands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The user's state folder, which XDG_STATE_HOME moves; `.` in the variable is the working folder, as before."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    assert machine_settings().diagnostics_dir == tmp_path / "step4"
    monkeypatch.setenv("STEP4_DIAGNOSTICS_DIR", ".")
    assert machine_settings().diagnostics_dir == Path()


def test_a_file_that_cannot_be_read_is_a_sentence() -> None:
    """Settings that may stand in it are not passed over."""
    Path(".env").write_bytes(b"STEP4_CACHE_DIR=caf\xe9\n")

    with pytest.raises(UsageError, match=r"\.env could not be read \(byte 19 is not UTF-8\)"):
        machine_settings()


@pytest.mark.parametrize("name", TOKEN_VARIABLES)
def test_each_name_of_the_token_is_known(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of them that is set counts."""
    assert hub_token() is None
    monkeypatch.setenv(name, "hf_x")
    assert hub_token() == "hf_x"
    monkeypatch.setenv(TOKEN_VARIABLES[0], "hf_first")
    assert hub_token() == "hf_first"

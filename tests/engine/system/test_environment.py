"""Variables that the engine reads itself."""

from pathlib import Path

import pytest

from tasks.engine.system.environment import TOKEN_VARIABLES, from_environment, hub_token


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder without `.env`, and no tokens."""
    monkeypatch.chdir(tmp_path)
    for name in (*TOKEN_VARIABLES, "STEP4_TRIED"):
        monkeypatch.delenv(name, raising=False)


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """`.env` fills what the environment leaves empty or unset; what neither has is None."""
    assert from_environment("STEP4_TRIED") is None
    Path(".env").write_text("STEP4_TRIED=file\n")
    assert from_environment("STEP4_TRIED") == "file"
    monkeypatch.setenv("STEP4_TRIED", "")
    assert from_environment("STEP4_TRIED") == "file"
    monkeypatch.setenv("STEP4_TRIED", "process")
    assert from_environment("STEP4_TRIED") == "process"


@pytest.mark.parametrize("name", TOKEN_VARIABLES)
def test_each_name_of_the_token_is_known(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of them that is set counts."""
    assert hub_token() is None
    monkeypatch.setenv(name, "hf_x")
    assert hub_token() == "hf_x"
    monkeypatch.setenv(TOKEN_VARIABLES[0], "hf_first")
    assert hub_token() == "hf_first"

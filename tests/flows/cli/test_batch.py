"""`step4 batch`: what it takes, and how it answers a wrong request."""

import json
from pathlib import Path

import pytest
from command import step4

pytestmark = pytest.mark.usefixtures("clean_settings")


@pytest.mark.parametrize("number", ["0", "201"])
def test_runs_in_flight_have_bounds(tmp_path: Path, number: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As in the form: 1 to 200, and the answer names the option."""
    assert step4("batch", tmp_path, "--in-flight", number) == 2
    assert "in-flight" in capsys.readouterr().err


def test_no_folder_is_a_wrong_request(capsys: pytest.CaptureFixture[str]) -> None:
    """A batch of everything everywhere is nobody's wish: with --json the refusal is an object too."""
    assert step4("batch", "--here", "--json") == 2
    assert json.loads(capsys.readouterr().out)["exit_code"] == 2

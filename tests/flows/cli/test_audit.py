"""`step4 audit`: what it takes, and how it answers a wrong request."""

import json
from pathlib import Path

import pytest
from command import step4

pytestmark = pytest.mark.usefixtures("clean_settings")


def test_a_sample_of_nothing_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and the option that is at fault."""
    assert step4("audit", tmp_path, "--sample", "0") == 2
    assert "sample" in capsys.readouterr().err


@pytest.mark.parametrize("served", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["alone", "on a server"])
def test_seeds_are_those_that_the_flow_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], served: bool, request: pytest.FixtureRequest
) -> None:
    """0 is a seed, with a server and without; one below 0, which the flow refuses or takes for none, is exit code 2."""
    if served:
        request.getfixturevalue("prefect_server")
    assert step4("audit", tmp_path, "--json", "--seed", "0") == 0
    assert json.loads(capsys.readouterr().out)["seed"] == 0
    assert step4("audit", tmp_path, "--seed", "-1") == 2
    assert "seed" in capsys.readouterr().err


def test_no_folder_is_a_wrong_request(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json the refusal is an object too."""
    assert step4("audit", "--json") == 2
    assert json.loads(capsys.readouterr().out)["exit_code"] == 2

"""Whether a Prefect server was named is known without loading Prefect."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from paths import ROOT

from tasks.orchestration.connection import best_effort, in_flow_run

ASK = """
import sys
from tasks.orchestration.connection import connected, server_named
print(server_named(), connected(), "prefect" in sys.modules)
"""


def asked(folder: Path, **environment: str) -> str:
    """What a fresh process in a folder says."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    clean |= {"PYTHONPATH": str(ROOT), "HOME": str(folder), **environment}
    done = subprocess.run(
        [sys.executable, "-c", ASK], cwd=folder, env=clean, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "False False False"),
        ({"PREFECT_API_URL": ""}, "False False False"),
        ({"PREFECT_API_URL": "http://127.0.0.1:1/api"}, "True False False"),
    ],
)
def test_the_environment_answers_without_prefect(tmp_path: Path, environment: dict[str, str], expected: str) -> None:
    """A variable, set or empty or missing, is all that has to be looked at."""
    assert asked(tmp_path, **environment) == expected


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (".prefect/profiles.toml", 'active = "ours"\n[profiles.ours]\nPREFECT_API_URL = "http://127.0.0.1:1/api"\n'),
        (".env", "PREFECT_API_URL=http://127.0.0.1:1/api\n"),
        ("prefect.toml", '[api]\nurl = "http://127.0.0.1:1/api"\n'),
        ("pyproject.toml", '[tool.prefect.api]\nurl = "http://127.0.0.1:1/api"\n'),
    ],
)
def test_a_server_named_in_a_file_of_prefects_is_found(tmp_path: Path, file: str, text: str) -> None:
    """Wherever Prefect itself would read it."""
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(text)

    assert asked(tmp_path) == "True False True"


def test_a_profile_that_names_no_server_is_not_taken_for_one(tmp_path: Path) -> None:
    """A file with an address that is not in force: Prefect is asked, and says no."""
    text = 'active = "alone"\n[profiles.alone]\n[profiles.ours]\nPREFECT_API_URL = "http://127.0.0.1:1/api"\n'
    (tmp_path / ".prefect").mkdir()
    (tmp_path / ".prefect" / "profiles.toml").write_text(text)

    assert asked(tmp_path) == "False False True"


def test_a_test_is_no_flow_run() -> None:
    """Nor is anything else that no flow has called."""
    assert not in_flow_run()


def test_what_is_only_told_never_fails_a_run(caplog: pytest.LogCaptureFixture) -> None:
    """An error while telling becomes one warning, which quotes no password."""
    with best_effort("The news"):
        raise ConnectionError("nobody there: http://me:hidden@127.0.0.1:9/api")

    assert [record.getMessage() for record in caplog.records] == [
        "The news could not be sent to the Prefect server: nobody there: http://127.0.0.1:9/api"
    ]

"""Which runs a fork may be, and what it changes of itself to be one."""

import os
import sys
from pathlib import Path

import pytest
from prefect.runner import _workspace_supervisor

from flows.server.forked_run import EngineCommand, exit_code_of, is_read_late, take_environment, why_not_here
from flows.server.warm_up import Warm
from tasks.engine.core.constants import PROJECT

COMMAND = [sys.executable, "-m", "prefect.engine"]
BEFORE = {"PATH": "/bin", "PYTHONPATH": "/libraries", "HF_HOME": "/hub"}


def engine(folder: Path = PROJECT, command: list[str] | None = None, **changed: str) -> EngineCommand:
    """What Prefect would start in that folder."""
    paths = {"PYTHONPATH": f"{PROJECT}{os.pathsep}/libraries"}
    return EngineCommand(command or COMMAND, folder, {**BEFORE, **paths, **changed})


def test_prefect_still_has_the_step_that_a_fork_leaves_out() -> None:
    """Without it every run would get an interpreter of its own, and nobody would be told."""
    assert callable(_workspace_supervisor._launch_engine)


@pytest.mark.parametrize("name", ["STEP4_MODELS_DIR", "AUDIO_PROFILE", "PREFECT__FLOW_RUN_ID", "CUDA_VISIBLE_DEVICES"])
def test_variables_that_a_run_reads_itself_need_no_interpreter(name: str) -> None:
    """Settings of STEP4 and of Prefect, and the choice of GPUs."""
    assert is_read_late(name)
    assert why_not_here(engine(**{name: "another"}), BEFORE) is None


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (engine(HF_HOME="/elsewhere"), "HF_HOME"),
        (engine(NEW="1"), "NEW"),
        (engine(PYTHONPATH=f"{PROJECT}{os.pathsep}/others"), "PYTHONPATH"),
        (engine(folder=Path("/")), "its code is in /"),
        (engine(command=["uv", "run"]), "it is started by uv"),
    ],
    ids=["changed variable", "new variable", "other libraries", "other folder", "other command"],
)
def test_whatever_is_loaded_otherwise_needs_an_interpreter(run: EngineCommand, reason: str) -> None:
    """A library may have read any other variable when it was imported."""
    assert reason in (why_not_here(run, BEFORE) or "")


def test_a_run_keeps_what_packages_have_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """All else is the run's; of what is read late, the run's own value counts."""
    monkeypatch.setattr(os, "environ", dict(os.environ))
    warm = Warm({}, Path(), 1, {}, {"SET_BY_A_PACKAGE": "1", "PREFECT_LOGGING_LEVEL": "INFO"})
    take_environment({"ITS_OWN": "2", "PREFECT_LOGGING_LEVEL": "ERROR"}, warm)

    assert os.environ == {"SET_BY_A_PACKAGE": "1", "ITS_OWN": "2", "PREFECT_LOGGING_LEVEL": "ERROR"}


@pytest.mark.parametrize(("stop", "code"), [(0, 0), (None, 0), (3, 3), ("a sentence", 1)])
def test_a_run_ends_with_the_code_of_an_interpreter(stop: object, code: int) -> None:
    """`exit` with a number, with nothing, or with a text."""
    assert exit_code_of(lambda: sys.exit(stop)) == code  # type: ignore[arg-type]


def test_an_error_that_nobody_caught_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """With its traceback, and the code 1."""
    assert exit_code_of(lambda: int("no number")) == 1
    assert "invalid literal" in capsys.readouterr().err

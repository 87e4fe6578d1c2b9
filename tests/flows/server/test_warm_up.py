"""What is asked in a fork, and what a run depends on."""

import os
from pathlib import Path

import pytest

from flows.server.warm_up import asked_in_a_fork, fingerprint
from tasks.engine.core.constants import PROJECT


def test_a_question_is_answered_by_another_process() -> None:
    """So that a GPU that is looked at is not one that this process has touched."""
    assert asked_in_a_fork(lambda: [[str(os.getppid())]]) == [[str(os.getpid())]]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_question_without_an_answer_is_none() -> None:
    """Its process has died: nothing is loaded ahead."""
    assert asked_in_a_fork(lambda: os._exit(1)) == []


@pytest.mark.usefixtures("clean_settings")
def test_code_packages_and_models_are_what_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The same twice where nothing changes; other models are another fingerprint, and missing ones no error."""
    before = fingerprint()
    monkeypatch.setenv("STEP4_MODELS_DIR", str(tmp_path))

    assert {str(PROJECT / "flows" / "audio_analysis.py"), str(PROJECT / "profiles" / "cpu.toml")} <= before.keys()
    assert any(name.endswith("site-packages") for name in before)
    assert not [name for name in before if name.endswith(".pyc")]
    assert "is missing" in str(fingerprint()["models"])

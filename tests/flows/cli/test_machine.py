"""`step4 selfcheck`, `config` and `profiles`: what this machine would do."""

import json

import pytest
from command import step4

pytestmark = pytest.mark.usefixtures("clean_settings")


def test_config_is_json_without_secrets(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The effective configuration, the token masked."""
    monkeypatch.setenv("HF_TOKEN", "hf_sentinel")

    assert step4("config", "--profile", "cpu") == 0
    shown = capsys.readouterr().out
    assert json.loads(shown)["device"] == "cpu"
    assert "hf_sentinel" not in shown


def test_profiles_lists_every_profile(capsys: pytest.CaptureFixture[str]) -> None:
    """Names, aliases and what each is for."""
    assert step4("profiles") == 0
    shown = capsys.readouterr().out
    assert "gpu_no_amp" in shown
    assert "cpu_amp_unsafe" in shown

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


@pytest.mark.parametrize("models", ["offline", "nobody/nothing"])
def test_config_names_the_model_set_in_force(
    models: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whether it is here, and from where; one that is not here is no error, and nobody is asked for it."""
    monkeypatch.setenv("STEP4_MODELS", models)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")

    assert step4("config") == 0
    shown = json.loads(capsys.readouterr().out)["model_set"]
    assert shown["name"] == models
    assert shown["here"] == (models == "offline")
    assert bool(shown["missing"]) != shown["here"]


def test_profiles_lists_every_profile(capsys: pytest.CaptureFixture[str]) -> None:
    """Names, aliases and what each is for."""
    assert step4("profiles") == 0
    shown = capsys.readouterr().out
    assert "gpu_no_amp" in shown
    assert "cpu_amp_unsafe" in shown

"""Misspelt variables are seen, known ones are left in peace."""

import re
from pathlib import Path

import pytest
from paths import ROOT

from profiles.variables import OF_DEPLOYMENTS, misspelt_variables, nearest, setting_names

pytestmark = pytest.mark.usefixtures("clean_settings")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("AUDIO_PROFIL", "AUDIO_PROFILE"),
        ("PYANNOTE_BATCHSIZE", "PYANNOTE_BATCH_SIZE"),
        ("STEP4_ONDRIFT", "STEP4_ON_DRIFT"),
        ("STEP4_MODEL_DIR", "STEP4_MODELS_DIR"),
        ("STEP4_PROFILE", "AUDIO_PROFILE"),
        ("audio_devise", "AUDIO_DEVICE"),
    ],
)
def test_a_misspelt_variable_is_named_with_the_nearest_setting(
    typed: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its case; a name behind another prefix is the nearest of all."""
    monkeypatch.setenv(typed, "x")

    assert list(misspelt_variables()) == [
        f"the variable {typed} is no setting and changes nothing: is {meant} meant?",
    ]


def test_the_file_is_read_too_and_a_name_like_none_is_told_where_to_look(tmp_path: Path) -> None:
    """`.env` of the working folder; other prefixes are no business of ours."""
    (tmp_path / ".env").write_text("STEP4_XYZ=1\nSOMETHING_ELSE=2\nAUDIO_PROFILE=cpu\n")

    (sentence,) = misspelt_variables()

    assert sentence == "the variable STEP4_XYZ is no setting and changes nothing: `step4 config` shows what is in force"
    assert nearest("STEP4_XYZ", setting_names()) is None


def test_a_file_that_cannot_be_read_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No traceback; the environment is looked at as ever."""
    (tmp_path / ".env").write_bytes(b"STEP4_XYZ=caf\xe9\n")
    monkeypatch.setenv("AUDIO_PROFIL", "x")

    (misspelt,) = misspelt_variables()

    assert misspelt.startswith("the variable AUDIO_PROFIL ")


def test_what_the_deployment_files_read_is_known() -> None:
    """No warning for a variable that stands in our own files."""
    files = [ROOT / "Makefile", ROOT / "prefect.yaml", ROOT / ".env.example"]
    files += [path for folder in ("deploy", "flows", "tasks", "profiles") for path in (ROOT / folder).rglob("*")]
    readable = (path for path in files if path.suffix in {"", ".py", ".yaml", ".env", ".service", ".example"})
    read = {
        name
        for path in readable
        if path.is_file() and path.name != "variables.py"
        for name in re.findall(r"\bSTEP4_[A-Z_]+[A-Z]\b", path.read_text(encoding="utf-8"))
    }

    assert read - setting_names() - OF_DEPLOYMENTS == set()

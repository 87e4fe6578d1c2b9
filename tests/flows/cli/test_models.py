"""`step4 models`: list, fetch, verify and show, for people and for programs."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import step4
from hub_box import HubBox, hub_in_a_box, use
from stand_in_models import COMMUNITY, community, write

from tasks.engine.models import hub, registry

pytestmark = pytest.mark.usefixtures("clean_settings")


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubBox]:
    """A hub with community-1, which is in the cache; a terminal that is as narrow as they come."""
    monkeypatch.setenv("COLUMNS", "40")
    with hub_in_a_box() as box:
        box.add(COMMUNITY, community(b"weights"))
        use(box, tmp_path / "hub", monkeypatch)
        hub.bring(COMMUNITY, box.address)
        yield box


def test_list_names_what_is_here_and_what_is_in_force(
    box: HubBox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The offline set and a pipeline of the hub, as a table and as JSON."""
    monkeypatch.setenv("STEP4_MODELS", COMMUNITY)
    assert step4("models", "list") == 0
    shown = capsys.readouterr().out
    assert step4("models", "list", "--json") == 0
    sets = {row["name"]: row for row in json.loads(capsys.readouterr().out)}

    assert sets[COMMUNITY]["in_force"]
    assert sets["offline"]["here"]
    assert box.repositories[COMMUNITY].head in shown
    assert "here, in force" in shown


def test_show_says_files_checksums_commit_and_licence(box: HubBox, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing of a checksum is cut, however narrow the terminal; JSON has the same."""
    assert step4("models", "show", COMMUNITY) == 0
    shown = capsys.readouterr().out
    assert step4("models", "show", COMMUNITY, "--json") == 0
    rows = json.loads(capsys.readouterr().out)

    for file, sha256 in registry.identity(COMMUNITY).items():
        assert file in shown
        assert sha256 in shown
    assert {(row["commit"], row["licence"]) for row in rows} == {(box.repositories[COMMUNITY].head, "cc-by-4.0")}


def test_verify_takes_the_set_in_force_and_has_exit_code_5(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder: at first nothing is known of its files, then one is not what its sums say."""
    folder = write(community(b"weights"), tmp_path / "set")
    monkeypatch.setenv("STEP4_MODELS", str(folder))
    assert step4("models", "verify") == 0
    assert "no hash of it is known" in capsys.readouterr().out
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  config.yaml\n")

    assert step4("models", "verify") == 5
    assert "SHA256SUMS says" in capsys.readouterr().err


@pytest.mark.usefixtures("box")
def test_fetch_says_what_it_fetched_and_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Into a folder: the paths of the copy; where the hub refuses, its sentence and exit code 5."""
    assert step4("models", "fetch", COMMUNITY, "--to", tmp_path / "copy") == 0
    assert str(tmp_path / "copy" / "plda" / "plda.npz") in capsys.readouterr().out
    monkeypatch.setenv("HF_TOKEN", "")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "empty"))

    assert step4("models", "fetch", COMMUNITY) == 5
    assert f"accept its terms at https://huggingface.co/{COMMUNITY}" in capsys.readouterr().err

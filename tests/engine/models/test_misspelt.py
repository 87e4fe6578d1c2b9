"""A misspelt folder looks like a repository of the hub: the error speaks of both."""

import re
from pathlib import Path

import pytest
import yaml
from hub_box import HubBox
from stand_in_models import COMMUNITY, community, write

from tasks.engine.core.errors import ModelError
from tasks.engine.models import hub
from tasks.engine.models.fetching import fetch_set
from tasks.engine.models.registry import find


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A set in `models/community-1` below the working folder."""
    monkeypatch.chdir(tmp_path)
    return write(community(b"weights"), tmp_path / "models/community-1")


@pytest.mark.parametrize(
    ("name", "missing", "meant"),
    [
        ("models/comunity-1", "models/comunity-1", "models/community-1"),
        ("modles/community-1", "modles", "models/community-1"),
        ("models/typo", "models/typo", None),
    ],
)
def test_a_misspelt_folder_is_told_beside_the_hub(
    box: HubBox, folder: Path, name: str, missing: str, meant: str | None
) -> None:
    """It says where was looked, and the nearest name if there is one, however the set is asked for."""
    assert box.address
    ask = {"find": lambda: find(name), "fetch": lambda: fetch_set(name), "here": lambda: find(name, fetch=False)}
    ending = f": is {meant} meant?" if meant else ""
    path = folder.parent.parent / missing
    told = f"; no file or folder {path.name} is in {path.parent}{ending}"
    for function in ask.values():
        with pytest.raises(ModelError, match=rf"{name} .*{re.escape(told)}$"):
            function()


@pytest.mark.parametrize("name", ["./models/comunity-1", "models/../models/comunity-1", "ABSOLUTE/comunity-1"])
def test_a_folder_that_is_no_id_has_its_nearest_name_too(folder: Path, name: str) -> None:
    """Nothing is asked for then."""
    with pytest.raises(ModelError, match=r"; no file .* comunity-1 is in .*models: is .*models/community-1 meant\?$"):
        find(name.replace("ABSOLUTE", str(folder.parent)))


def test_a_part_that_is_misspelt_is_told_beside_the_hub(box: HubBox, folder: Path) -> None:
    """Parts are looked for below the folder of the config, and above it."""
    assert box.address
    write({"nets/embedding/pytorch_model.bin": b"weights"}, folder)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["pipeline"]["params"]["embedding"] = "nets/embeding"
    (folder / "config.yaml").write_text(yaml.safe_dump(config))

    with pytest.raises(ModelError, match=rf"nets/embeding .*is in {folder}/nets: is {folder}/nets/embedding me"):
        find(str(folder))


def test_an_id_is_the_hubs_alone(box: HubBox, folder: Path) -> None:
    """Where no folder is like it; and with a folder of its owner's name, what that has is told, and it is fetched."""
    with pytest.raises(ModelError) as caught:
        find("nobody/nothing")
    assert "folder" not in str(caught.value)

    write({"community/x": b""}, folder.parent.parent / "pyannote")
    hub.bring(COMMUNITY, box.address)
    assert find(COMMUNITY).commits

"""Copies of a set for machines without a network: the same set, proven, and nothing of the hub."""

import shutil
from pathlib import Path

import pytest
from hub_box import HubBox
from stand_in_models import CARD, COMMUNITY, EMBEDDING, SEGMENTATION, THREE, THREE_CONFIG, three, write

from tasks.engine.core.errors import ModelError, StorageError, UsageError
from tasks.engine.models import hub, registry
from tasks.engine.models.copies import copy_set
from tasks.engine.models.fetching import fetch_set
from tasks.engine.models.inventory import contents


@pytest.mark.parametrize("name", [COMMUNITY, THREE])
def test_a_copy_is_the_same_set_without_the_hub(
    box: HubBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Its identity is the hub's, so whoever computes with it finds the others' results; its files are proven."""
    for repository, files in three(b"weights").items():
        box.add(repository, files)
    for repository in (name, *(three(b"weights") if name == THREE else ())):
        hub.bring(repository, box.address)
    expected = registry.identity(name)
    copy_set(registry.find(name), tmp_path / "copy")
    copy_set(registry.find(name), tmp_path / "copy")  # again: it is a copy of a set
    monkeypatch.setenv("HF_HOME", str(tmp_path / "empty"))
    box.fault = "500"
    copied = registry.find(str(tmp_path / "copy"), fetch=False)

    assert copied.identity() == expected
    assert {file.check().proof for file in copied.files} == {"SHA256SUMS"}
    copied.files[-1].path.write_bytes(b"payload")
    with pytest.raises(ModelError, match="SHA256SUMS says"):
        copied.identity()


def test_a_folder_with_other_files_is_left_alone(box: HubBox, tmp_path: Path) -> None:
    """A mistyped folder must not fill with models."""
    hub.bring(COMMUNITY, box.address)
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("dear")

    with pytest.raises(UsageError, match=r"letters holds a\.txt: expected an empty folder, or a copy"):
        copy_set(registry.find(COMMUNITY), tmp_path / "letters")


def test_an_interrupted_copy_is_taken_up_again(box: HubBox, tmp_path: Path) -> None:
    """Killed halfway there are some of the files, no list of sums, and perhaps a temporary file."""
    hub.bring(COMMUNITY, box.address)
    model_set = registry.find(COMMUNITY)
    copy_set(model_set, tmp_path / "copy")
    for name in ("SHA256SUMS", "plda/plda.npz"):
        (tmp_path / "copy" / name).unlink()
    (tmp_path / "copy" / "plda" / ".step4-1-1.part").write_text("half")

    copy_set(model_set, tmp_path / "copy")

    assert registry.find(str(tmp_path / "copy")).identity() == model_set.identity()


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_file_in_the_place_of_the_folder_is_told(box: HubBox, tmp_path: Path, name: str) -> None:
    """It is left alone."""
    hub.bring(COMMUNITY, box.address)
    (tmp_path / "file").write_text("dear")

    with pytest.raises(StorageError, match="cannot be made"):
        copy_set(registry.find(COMMUNITY), tmp_path / name)
    assert (tmp_path / "file").read_text() == "dear"


def test_a_folder_is_copied_as_it_is(box: HubBox, tmp_path: Path) -> None:
    """There is nothing to gather: the user is told so."""
    hub.bring(COMMUNITY, box.address)
    copy_set(registry.find(COMMUNITY), tmp_path / "copy")

    with pytest.raises(UsageError, match="copy them as they are"):
        copy_set(registry.find(str(tmp_path / "copy")), tmp_path / "second")


def mixed(box: HubBox, folder: Path, embedding: str) -> Path:
    """A folder whose config names a repository of the hub beside an embedding of its own."""
    box.add(SEGMENTATION, three(b"segmentation")[SEGMENTATION])
    config = THREE_CONFIG.replace(EMBEDDING, embedding).encode()
    return write({"my.yaml": config, "nets/pytorch_model.bin": b"embedding", "nets/README.md": CARD}, folder)


@pytest.mark.parametrize(
    "embedding", ["nets", "./nets/", "$model/nets", "models/nets/pytorch_model.bin", "../models/nets"]
)
def test_a_folder_that_names_repositories_is_copied_with_them(
    box: HubBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, embedding: str
) -> None:
    """However its own part is spelt, and whatever its config is called: the same set, whole without the folder."""
    config = mixed(box, tmp_path / "models", embedding) / "my.yaml"
    if embedding.startswith(".."):
        with pytest.raises(UsageError, match=r"nets/pytorch_model\.bin has no place .*expected .* relative to"):
            fetch_set(str(config), tmp_path / "copy")
        assert not (tmp_path / "copy").exists()
        return
    copied = fetch_set(str(config), tmp_path / "copy")
    expected = registry.identity(str(config))
    shutil.rmtree(tmp_path / "models")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "empty"))
    box.fault = "500"

    assert copied.identity() == registry.identity(str(tmp_path / "copy")) == expected
    assert all(file.path.is_relative_to(tmp_path / "copy") for file in copied.files)
    assert {row["file"]: row["licence"] for row in contents(copied)}["embedding/pytorch_model.bin"] == "cc-by-4.0"


def test_what_has_no_place_in_a_copy_is_told(box: HubBox, tmp_path: Path) -> None:
    """A path from the root would be looked for there on the other machine, too: nothing is written."""
    folder = mixed(box, tmp_path / "models", str(tmp_path / "models/nets"))

    with pytest.raises(UsageError, match=r"models/nets/pytorch_model\.bin has no place in a copy"):
        fetch_set(str(folder / "my.yaml"), tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("sums", [False, True])
def test_nothing_is_written_through_a_link_out_of_the_folder(box: HubBox, tmp_path: Path, sums: bool) -> None:
    """A copy that somebody else packed may hold one, with a list of sums that makes it look like a copy of ours."""
    hub.bring(COMMUNITY, box.address)
    (tmp_path / "home").mkdir()
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy/embedding").symlink_to(tmp_path / "home")
    if sums:
        (tmp_path / "copy/SHA256SUMS").touch()

    with pytest.raises(UsageError, match=r"copy/embedding leads to .*home: expected a folder of the copy"):
        copy_set(registry.find(COMMUNITY), tmp_path / "copy")
    assert not list((tmp_path / "home").iterdir())
    assert not (tmp_path / "copy/config.yaml").exists()


def test_a_copy_may_be_reached_by_a_link(box: HubBox, tmp_path: Path) -> None:
    """The folder itself is the user's choice; a link in the place of a file is replaced, not followed."""
    hub.bring(COMMUNITY, box.address)
    write({"mine": b"dear"}, tmp_path)
    (tmp_path / "disk").mkdir()
    (tmp_path / "copy").symlink_to("disk")
    (tmp_path / "disk/config.yaml").symlink_to(tmp_path / "mine")

    copy_set(registry.find(COMMUNITY), tmp_path / "copy")
    assert (tmp_path / "mine").read_bytes() == b"dear"
    assert registry.identity(str(tmp_path / "copy")) == registry.identity(COMMUNITY)

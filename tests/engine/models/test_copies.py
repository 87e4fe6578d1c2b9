"""Copies of a set for machines without a network: the same set, proven, and nothing of the hub."""

from pathlib import Path

import pytest
from hub_box import HubBox
from stand_in_models import COMMUNITY, THREE, three

from tasks.engine.core.errors import ModelError, UsageError
from tasks.engine.models import hub, registry
from tasks.engine.models.copies import copy_set


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

    with pytest.raises(UsageError, match="holds other files"):
        copy_set(registry.find(COMMUNITY), tmp_path / "letters")


def test_a_folder_is_copied_as_it_is(box: HubBox, tmp_path: Path) -> None:
    """There is nothing to gather: the user is told so."""
    hub.bring(COMMUNITY, box.address)
    copy_set(registry.find(COMMUNITY), tmp_path / "copy")

    with pytest.raises(UsageError, match="copy them as they are"):
        copy_set(registry.find(str(tmp_path / "copy")), tmp_path / "second")

"""Fetching a set: the newest state of everything it is made of, into the cache or into a folder."""

from pathlib import Path

from hub_box import HubBox
from stand_in_models import EMBEDDING, SEGMENTATION, THREE, three

from tasks.engine.models import hub, registry
from tasks.engine.models.fetching import fetch_set, repositories_of


def test_every_repository_of_a_set_is_renewed(box: HubBox) -> None:
    """A network of 3.1 that has moved on is another set after `fetch`, and not before."""
    for name, files in three(b"weights").items():
        box.add(name, files)
        hub.bring(name, box.address)
    before = registry.find(THREE)
    box.repositories[SEGMENTATION].history.append({"pytorch_model.bin": b"better"})

    assert repositories_of(THREE) == [THREE, SEGMENTATION, EMBEDDING]
    assert registry.find(THREE).identity() == before.identity()
    after = fetch_set(THREE)
    assert after.commits[SEGMENTATION] == box.repositories[SEGMENTATION].head
    assert after.identity() != before.identity()


def test_a_set_that_is_not_known_yet_is_its_own_repository_at_first() -> None:
    """What it names is known once its config is here; a folder has none."""
    assert repositories_of("nobody/nothing") == ["nobody/nothing"]
    assert repositories_of("offline") == []


def test_the_offline_set_is_copied_where_it_is_here(tmp_path: Path) -> None:
    """No network is needed for a second place."""
    copied = fetch_set("offline", tmp_path / "models")

    assert copied.identity() == registry.identity("offline")
    assert copied.files[0].path.parent == tmp_path / "models"

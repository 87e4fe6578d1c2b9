"""What there is of model sets, without asking anybody: names, states, contents, licences."""

from pathlib import Path

import pytest
from hub_box import HubBox
from stand_in_models import COMMUNITY, SEGMENTATION, THREE, community, three, write

from tasks.engine.core.errors import ModelError
from tasks.engine.models import hub, registry
from tasks.engine.models.inventory import contents, sets_here, stated_licence


def test_sets_here_are_the_offline_one_cached_pipelines_and_the_one_in_force(box: HubBox) -> None:
    """A network in the cache is no set; one that is in force and not here is told as missing; nobody is asked."""
    hub.bring(COMMUNITY, box.address)
    box.add(SEGMENTATION, three(b"weights")[SEGMENTATION])
    hub.bring(SEGMENTATION, box.address)
    asked = len(box.seen)
    sets = {row["name"]: row for row in sets_here(THREE)}

    assert list(sets) == ["offline", COMMUNITY, THREE]
    assert sets[COMMUNITY]["here"]
    assert sets[COMMUNITY]["sources"] == {COMMUNITY: box.repositories[COMMUNITY].head}
    assert (sets[THREE]["here"], sets[THREE]["in_force"]) == (False, True)
    assert f"step4 models fetch {THREE}" in sets[THREE]["missing"]
    assert len(box.seen) == asked


def test_pinned_revisions_in_the_cache_are_sets_of_their_own(box: HubBox) -> None:
    """A tag, a branch with a slash, and a commit that no name leads to: under the name that finds each."""
    repository = box.repositories[COMMUNITY]
    repository.tags = {"v1": 0, "refs/pr/1": 0}
    first = repository.head
    repository.history.append(repository.history[0] | {"README.md": b"new"})
    for revision in ("v1", "refs/pr/1", repository.head):
        hub.bring(f"{COMMUNITY}@{revision}", box.address)
    sets = {row["name"]: row for row in sets_here("offline")}

    assert set(sets) == {"offline", f"{COMMUNITY}@v1", f"{COMMUNITY}@refs/pr/1", f"{COMMUNITY}@{repository.head}"}
    assert sets[f"{COMMUNITY}@v1"]["sources"] == {f"{COMMUNITY}@v1": first}
    assert all(registry.find(name, fetch=False).files for name in sets)


def test_every_file_is_described_with_its_proof_and_licence(box: HubBox, tmp_path: Path) -> None:
    """The offline set's from the registry; the hub's from its commit and card; a folder's from the nearest card."""
    hub.bring(COMMUNITY, box.address)
    offline = contents(registry.find("offline"))
    of_hub = contents(registry.find(COMMUNITY))
    folder = write(community(b"weights") | {"embedding/README.md": b"---\nlicense: mit\n---\n"}, tmp_path / "set")
    of_folder = {row["file"]: row for row in contents(registry.find(str(folder)))}

    assert [row["sha256"] for row in offline] == [model.sha256 for model in registry.OFFLINE]
    assert all(model.licence in row["licence"] for model, row in zip(registry.OFFLINE, offline, strict=True))
    assert {row["licence"] for row in of_hub} == {"cc-by-4.0"}
    assert {row["commit"] for row in of_hub} == {box.repositories[COMMUNITY].head}
    assert {row["proof"] for row in of_hub} == {"the hub's hash"}
    assert of_folder["embedding/pytorch_model.bin"]["licence"] == "mit"
    assert of_folder["plda/plda.npz"]["licence"] == "cc-by-4.0"
    assert of_folder["plda/plda.npz"]["proof"] == ""


def test_a_missing_file_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is described that is not there."""
    monkeypatch.setenv("STEP4_MODELS_DIR", str(tmp_path))

    assert not sets_here("offline")[0]["here"]
    with pytest.raises(ModelError, match="step4 models fetch"):
        contents(registry.find("offline"))


@pytest.mark.parametrize("card", ["no metadata", "---\ntags: [a]\n---\nlicense: mit\n", None])
def test_a_card_without_a_licence_states_none(tmp_path: Path, card: str | None) -> None:
    """The word in its text is none."""
    if card is not None:
        (tmp_path / "README.md").write_text(card)

    assert stated_licence(tmp_path / "README.md") is None

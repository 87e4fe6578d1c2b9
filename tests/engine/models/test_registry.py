"""Model sets: verified before they are read, explained where they are missing."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from stand_in_models import community, write

from tasks.engine.core.errors import ModelError
from tasks.engine.inference import loading
from tasks.engine.models import registry


def test_the_offline_set_is_what_it_claims_to_be() -> None:
    """Names and checksums of the files at hand are the documented ones."""
    assert registry.identity("offline") == {model.file: model.sha256 for model in registry.OFFLINE}


@pytest.fixture
def copy_of_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model folder that a test may damage."""
    source = registry.models_folder()
    monkeypatch.setenv("STEP4_MODELS_DIR", str(tmp_path))
    for model in registry.OFFLINE:
        shutil.copy(source / model.file, tmp_path)
    return tmp_path


def test_one_changed_byte_is_refused_before_anything_is_loaded(copy_of_models: Path) -> None:
    """An altered checkpoint is named, with the checksum found and the one expected."""
    path = copy_of_models / registry.EMBEDDING.file
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)

    with pytest.raises(ModelError, match=registry.EMBEDDING.sha256):
        loading.load("offline")


def test_a_missing_model_says_how_to_get_it(copy_of_models: Path) -> None:
    """The remedy is a command."""
    (copy_of_models / registry.SEGMENTATION.file).unlink()

    with pytest.raises(ModelError, match="step4 models fetch"):
        registry.identity("offline")


@pytest.mark.parametrize(
    "name",
    [
        "ofline",
        "/nowhere/at/all",
        ".",
        "a/--b",
        "a/b.git",
        "a/b..c",
        "é/b",
        "a/" + 97 * "b",
        "a/b@..",
        "a/b@/v1",
        300 * "c",
    ],
)
def test_an_unknown_model_set_names_the_kinds_there_are(name: str) -> None:
    """A typo, a missing folder, a folder without a pipeline, no id that the hub would give: what would do is said."""
    with pytest.raises(ModelError, match=r"'offline', a hub id .* or a folder"):
        registry.identity(name)


def test_the_hubs_answer_does_not_leak_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that cannot be reached is one sentence, without the token."""
    monkeypatch.setenv("HF_TOKEN", "hf_sentinel")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    with pytest.raises(ModelError) as caught:
        registry.identity("nobody/no-such-pipeline")

    assert "hf_sentinel" not in str(caught.value)
    assert "could not be fetched" in str(caught.value)


C, D = "c" * 40, "d" * 40


@pytest.mark.parametrize(
    ("models", "commits", "pinned"),
    [
        ("a/b", {"a/b": C}, f"a/b@{C}"),
        ("a/b@main", {"a/b@main": C}, f"a/b@{C}"),
        ("a/b", {"a/b": C, "a/net": D, "a/other@v1": C}, f"a/b@{C},a/net@{D},a/other@{C}"),
        (f"a/b@{C},a/net@v1", {f"a/b@{C}": C, "a/net": D}, f"a/b@{C},a/net@{D}"),
        ("./folder", {"a/net": D}, f"./folder,a/net@{D}"),
        ("./folder", {}, "./folder"),
        ("offline", {}, "offline"),
    ],
)
def test_a_set_is_named_as_it_was_when_it_was_used(models: str, commits: dict[str, str], pinned: str) -> None:
    """Every repository at its commit, those that a config names as well; a folder and the offline set as they are."""
    assert registry.pinned(models, commits) == pinned


@pytest.mark.parametrize("pin", ["", "a/net", "net@v1", "/srv/net@v1"])
def test_a_pin_is_a_repository_with_its_revision(pin: str) -> None:
    """Anything else behind a comma is no set's name."""
    with pytest.raises(ModelError, match="not found: expected 'offline'"):
        registry.find(f"a/b,{pin}")


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Without root's right to read everything."""
    user = os.geteuid()
    os.seteuid(user or 65534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.mark.parametrize("name", [".", "config.yaml", "embedding", "embedding/pytorch_model.bin"])
def test_what_may_not_be_read_is_told(name: str) -> None:
    """The folder, one in it, or a file: a service has a user of its own."""
    with tempfile.TemporaryDirectory() as temporary:
        Path(temporary).chmod(0o755)
        folder = write(community(b"weights"), Path(temporary) / "set")
        (folder / name).chmod(0)
        try:
            with (
                ordinary_user(),
                pytest.raises(ModelError, match=rf"{folder}.* may not be read: expected the right to"),
            ):
                registry.identity(str(folder))
        finally:
            (folder / name).chmod(0o755)


def test_a_pin_that_pins_nothing_is_refused(tmp_path: Path) -> None:
    """A misspelt one would leave the repository that was meant at whatever its branch is."""
    folder = write(community(b"weights"), tmp_path / "set")

    with pytest.raises(ModelError, match=r"pins a/net, which the set does not name: expected .* none"):
        registry.find(f"{folder},a/net@v1")


def test_a_folder_may_have_a_comma_in_its_name(tmp_path: Path) -> None:
    """What is there is meant as it is."""
    folder = write(community(b"weights"), tmp_path / "one,two@3")

    assert registry.find(str(folder)).files[0].path == folder / "config.yaml"

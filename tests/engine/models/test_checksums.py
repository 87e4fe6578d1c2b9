"""Checksums: a model file that is not what it should be is refused, and named."""

import hashlib
from pathlib import Path

import pytest

from tasks.engine.core.errors import ModelError
from tasks.engine.models.checksums import POINTER, SUMS, checked_file, checked_sha256

WEIGHTS = hashlib.sha256(b"weights").hexdigest()
GIT = hashlib.sha1(b"blob 7\0weights").hexdigest()  # noqa: S324  # git's own


@pytest.mark.parametrize("spoil", ["changed", "unlisted", "no"])
def test_a_file_of_a_folder_with_sums_is_held_against_them(tmp_path: Path, spoil: str) -> None:
    """What is loaded must stand in the SHA256SUMS of its folder, where it has one, and be what stands there."""
    path = tmp_path / "model.bin"
    path.write_bytes(b"payload" if spoil == "changed" else b"weights")
    (tmp_path / SUMS).write_text(f"{WEIGHTS}  ./{'other' if spoil == 'unlisted' else 'model.bin'}\n")
    if spoil == "no":
        assert checked_file(path, tmp_path, "a/b").proof == SUMS
        return
    with pytest.raises(ModelError, match="SHA256SUMS says"):
        checked_file(path, tmp_path, "a/b")


def in_cache(folder: Path, name: str, content: bytes, *, shared: bool) -> Path:
    """A snapshot's file: a link to its blob, which is a link to the store of all repositories where that is used."""
    snapshot, blobs, store = folder / "r/snapshots/c", folder / "r/blobs", folder / "blobs/ab"
    for made in (snapshot, blobs, store):
        made.mkdir(parents=True)
    (store / ("ab" * 32)).write_bytes(content)
    if shared:
        (blobs / name).symlink_to(Path("../../blobs/ab") / ("ab" * 32))
    else:
        (blobs / name).write_bytes(content)
    (snapshot / "model.bin").symlink_to(Path("../../blobs") / name)
    return snapshot / "model.bin"


@pytest.mark.parametrize("shared", [False, True], ids=["own", "shared"])
@pytest.mark.parametrize("name", [WEIGHTS, GIT], ids=["large", "small"])
def test_a_blob_is_held_against_its_name(tmp_path: Path, name: str, shared: bool) -> None:
    """Large files are named by sha256 and small ones as git does, one link away, whatever the store calls them."""
    path = in_cache(tmp_path, name, b"weights", shared=shared)
    assert checked_file(path, path.parent, "a/b").proof == "the hub's hash"

    path.resolve().write_bytes(b"weightz")
    with pytest.raises(
        ModelError,
        match=rf"bin has the hash \w+: expected {name}; delete {path.resolve()} and run `step4 models fetch a/b`",
    ):
        checked_file(path, path.parent, "a/b")


def test_other_links_prove_nothing(tmp_path: Path) -> None:
    """A link of a user's own is followed, and its target's name is no hash though it looks like one."""
    (tmp_path / WEIGHTS).write_bytes(b"payload")
    (tmp_path / "model.bin").symlink_to(WEIGHTS)

    assert checked_file(tmp_path / "model.bin", tmp_path, "a/b").proof == ""


def test_a_pointer_of_git_lfs_is_named(tmp_path: Path) -> None:
    """A clone without git-lfs has a text in the place of each large file: the remedy is a command."""
    path = tmp_path / "model.bin"
    path.write_bytes(POINTER + b"v1\noid sha256:00\nsize 5905440\n")

    with pytest.raises(ModelError, match=r"pointer of Git LFS.*git lfs pull"):
        checked_file(path, tmp_path, "a/b")


def test_the_expected_file_is_accepted(tmp_path: Path) -> None:
    """Its checksum is returned."""
    (tmp_path / "model.bin").write_bytes(b"weights")

    assert checked_sha256(tmp_path / "model.bin", WEIGHTS) == WEIGHTS


def test_another_file_is_refused_with_both_checksums(tmp_path: Path) -> None:
    """What was found, what was expected, and what to do."""
    (tmp_path / "model.bin").write_bytes(b"payload")

    with pytest.raises(
        ModelError, match=f"{hashlib.sha256(b'payload').hexdigest()}.*{WEIGHTS}.*step4 models fetch offline`"
    ):
        checked_sha256(tmp_path / "model.bin", WEIGHTS)


def test_a_missing_file_says_how_to_get_it(tmp_path: Path) -> None:
    """By the command, or by the variable."""
    with pytest.raises(ModelError, match="missing: run `step4 models fetch offline`, or set STEP4_MODELS_DIR"):
        checked_sha256(tmp_path / "model.bin", WEIGHTS)
    with pytest.raises(ModelError, match="missing"):
        checked_file(tmp_path / "model.bin", tmp_path, "a/b")

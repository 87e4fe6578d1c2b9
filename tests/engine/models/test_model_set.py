"""A model set: what it is made of, and what tells it from another."""

from pathlib import Path

import pytest

from tasks.engine.core.errors import ModelError
from tasks.engine.models.model_set import ModelSet, SetFile, Source


@pytest.fixture
def model_set(tmp_path: Path) -> ModelSet:
    """Two files of one repository, and one of a folder."""
    for name in ("a.bin", "b.bin", "c.bin"):
        (tmp_path / name).write_bytes(name.encode())
    origin, folder = Source("owner/name", tmp_path, "0" * 40), Source(str(tmp_path), tmp_path)
    files = (SetFile("part/a", tmp_path / "a.bin", origin), SetFile("part/b", tmp_path / "b.bin", origin))
    return ModelSet("owner/name", (*files, SetFile("other/c", tmp_path / "c.bin", folder)))


def test_sources_are_told_once_and_commits_where_there_are_any(model_set: ModelSet) -> None:
    """Three files of two sources, one of which has a commit."""
    assert len(model_set.sources) == 2
    assert model_set.commits == {"owner/name": "0" * 40}


def test_the_stamp_is_another_when_a_file_is(model_set: ModelSet, tmp_path: Path) -> None:
    """Nothing is read for it; a file that is replaced by one of the same size shows, and so does one that is gone."""
    before = model_set.stamp()
    assert model_set.stamp() == before
    (tmp_path / "new").write_bytes(b"x.bin")
    (tmp_path / "new").replace(tmp_path / "a.bin")

    assert model_set.stamp() != before
    (tmp_path / "a.bin").unlink()
    assert len(model_set.stamp()) == 2


def test_a_file_whose_sha256_is_known_is_held_against_it(tmp_path: Path) -> None:
    """As those of the offline set are."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"a")

    with pytest.raises(ModelError, match="expected 00"):
        SetFile("a.bin", path, Source("", tmp_path), "00").check()

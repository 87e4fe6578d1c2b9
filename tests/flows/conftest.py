"""What tests of flows and of their recipes start from."""

import shutil
from pathlib import Path

import pytest
from media_samples import clip


@pytest.fixture(scope="session")
def master_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A five-second video with sound."""
    return clip(tmp_path_factory.mktemp("master") / "clip.mp4")


@pytest.fixture
def video(master_clip: Path, tmp_path: Path) -> Path:
    """A copy of it in a folder of the test's own."""
    folder = tmp_path / "videos"
    folder.mkdir()
    return Path(shutil.copy(master_clip, folder))

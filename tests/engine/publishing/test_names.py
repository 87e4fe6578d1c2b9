"""Published names: a promise to readers, and out of the way of everything that looks for videos or manifests."""

from pathlib import Path

from tasks.engine.batch.discovery import find_videos
from tasks.engine.publishing.manifest import find_manifests
from tasks.engine.publishing.names import MANIFEST, WORKSPACE


def test_the_names_are_the_documented_ones() -> None:
    """Other programs look for them: a change here is a change of the format."""
    assert (MANIFEST, WORKSPACE) == ("_step4.json", ".step4")


def test_nothing_in_the_workspace_is_taken_for_a_video_or_a_publication(tmp_path: Path) -> None:
    """Refused and staged files have the names of published ones."""
    refused = tmp_path / WORKSPACE / "refused" / "clip"
    refused.mkdir(parents=True)
    (refused / "clip.mp4").touch()
    (refused / f"clip{MANIFEST}").touch()

    assert list(find_videos([tmp_path])) == []
    assert list(find_manifests([tmp_path])) == []


def test_a_manifest_is_no_video(tmp_path: Path) -> None:
    """A batch over a folder that was published into finds the videos alone."""
    (tmp_path / f"clip{MANIFEST}").touch()

    assert list(find_videos([tmp_path])) == []

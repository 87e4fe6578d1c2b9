"""Published names: a promise to readers, and out of the way of everything that looks for videos or manifests."""

import os
from pathlib import Path

import pytest

from tasks.engine.batch.discovery import find_videos
from tasks.engine.core.errors import UsageError
from tasks.engine.publishing.manifest import find_manifests
from tasks.engine.publishing.names import MANIFEST, PUBLIC, WORKSPACE, is_exchange_copy, require_publishable


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


def test_copies_for_others_are_known_by_their_names() -> None:
    """Tables, reports and the manifest are not among them."""
    names = (
        "clip_audio.json",
        "clip_audio.json.gz",
        "clip.rttm",
        "clip_turns.parquet",
        "clip_drift.json",
        "clip_step4.json",
    )

    assert [is_exchange_copy(name) for name in names] == [True, True, True, False, False, False]


@pytest.mark.parametrize("name", [b"caf\xe9.mp4", b"\x83e\x83X\x83g.mkv", b"\xff.ts", b"a\xc3.mov"])
def test_a_name_that_is_not_utf_8_is_refused_in_words_that_are(tmp_path: Path, name: bytes) -> None:
    """Latin-1, Shift JIS, half a character: as the video's name, its folder's and the output's."""
    odd = tmp_path / os.fsdecode(name)
    for video, output in ((odd, tmp_path), (odd / "clip.mp4", tmp_path), (tmp_path / "clip.mp4", odd)):
        with pytest.raises(UsageError, match=r"\\x.* is not UTF-8.*: rename it") as caught:
            require_publishable(video, output)
        assert str(caught.value).encode()


@pytest.mark.parametrize(
    ("stem", "exclusive", "beyond"),
    [
        ("a" * 238, False, 0),
        ("a" * 237, True, 0),
        ("a" * 238, True, 1),
        ("a" * 241, False, 3),
        ("a" * 251, False, 13),
        ("é" * 119, False, 0),
        ("é" * 120, False, 2),
        ("🎬" * 60, False, 2),
    ],
)
def test_the_longest_published_name_must_fit(tmp_path: Path, stem: str, exclusive: bool, beyond: int) -> None:
    """In bytes, not characters; the sentence says by how many a name is too long."""
    video = tmp_path / f"{stem}.mp4"
    if not beyond:
        require_publishable(video, tmp_path / "not" / "there" / "yet", exclusive=exclusive)
        (tmp_path / f"{stem}{'_exclusive' if exclusive else '_timeline'}.parquet").touch()
        return
    with pytest.raises(UsageError, match=f"shorten it by {beyond}$"):
        require_publishable(video, tmp_path, exclusive=exclusive)


def test_a_path_may_not_be_too_long_either(tmp_path: Path) -> None:
    """Each folder may be fine by itself; an earlier publication has to find room in the workspace too."""
    deep = tmp_path.joinpath(*["d" * 200] * 19)
    require_publishable(deep / "clip.mp4", deep)
    with pytest.raises(UsageError, match=r"a path of .* bytes, and 4095 are accepted"):
        require_publishable(deep / f"{'c' * 120}.mp4", deep)


@pytest.mark.parametrize("suffix", PUBLIC)
def test_a_folder_in_the_place_of_a_published_file_is_refused(tmp_path: Path, suffix: str) -> None:
    """Before any work: it is neither written over nor taken away, and no summary lists it as a copy."""
    folder = tmp_path / f"clip{suffix}"
    folder.mkdir()
    with pytest.raises(UsageError, match=f"clip{suffix} is a folder, in the place of a published file: move it"):
        require_publishable(tmp_path / "clip.mp4", tmp_path)
    folder.rmdir()
    folder.touch()
    require_publishable(tmp_path / "clip.mp4", tmp_path)

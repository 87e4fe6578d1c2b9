"""Finding videos: what counts as one, and what is in the way."""

from pathlib import Path

import pytest

from tasks.engine.batch.discovery import DiscoveredVideo, find_videos, mark_current, refuse_shared_names, require_places
from tasks.engine.core.errors import StorageError, UsageError
from tasks.engine.media.containers import DEMUXERS, VIDEO_SUFFIXES


def made(folder: Path, *names: str) -> Path:
    """A folder with empty files of these names."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def names(folder: Path, *more: Path) -> list[str]:
    """Names of the videos that are found, in order."""
    return [discovered.video.name for discovered in find_videos([folder, *more])]


def test_videos_are_found_at_every_depth_in_order_of_name(tmp_path: Path) -> None:
    """Each folder's own videos come first, then those of the folders in it."""
    made(tmp_path, "b.mp4", "a.MKV", "deep/er/c.webm", "deep/d.mov")

    assert names(tmp_path) == ["a.MKV", "b.mp4", "d.mov", "c.webm"]


def test_what_is_hidden_published_or_no_video_is_left_out(tmp_path: Path) -> None:
    """The workspace, resource forks, published files, sound beside its video, and folders named like videos."""
    made(tmp_path, "a.mp4", ".step4/refused/a/x.mp4", "._a.mp4", "a_step4.json", "a_timeline.parquet", "a.wav", "notes")
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")

    assert names(tmp_path) == ["a.mp4"]


def test_links_are_followed_and_loops_end(tmp_path: Path) -> None:
    """A folder is entered once, whether reached by its name, by a link or by a link to what is above it."""
    inbox = made(tmp_path / "inbox", "a.mp4", "sub/b.mp4")
    made(tmp_path / "elsewhere", "c.mp4")
    (inbox / "sub" / "loop").symlink_to(inbox)
    (inbox / "linked").symlink_to(tmp_path / "elsewhere")

    assert names(inbox) == ["a.mp4", "c.mp4", "b.mp4"]
    assert names(inbox, inbox / "sub") == names(inbox)


def test_two_videos_of_one_stem_are_refused_and_the_others_are_not(tmp_path: Path) -> None:
    """They would overwrite each other's files; the reason names both."""
    made(tmp_path, "a.mp4", "clip.mp4", "clip.mkv", "clip2.mp4", "sub/clip.mp4")

    errors = {video.video.relative_to(tmp_path).as_posix(): video.error for video in find_videos([tmp_path])}

    assert [name for name, error in errors.items() if error is None] == ["a.mp4", "clip2.mp4", "sub/clip.mp4"]
    for name in ("clip.mp4", "clip.mkv"):
        assert isinstance(errors[name], UsageError)
        assert "clip.mkv and clip.mp4" in str(errors[name])


def test_in_one_output_folder_a_stem_belongs_to_the_first(tmp_path: Path) -> None:
    """cam1/0001.mp4 and cam2/0001.mp4 cannot both publish into one folder; the first keeps its turn."""
    made(tmp_path, "cam1/0001.mp4", "cam2/0001.mp4", "cam2/0002.mp4")

    videos = list(refuse_shared_names(find_videos([tmp_path])))

    assert [isinstance(video.error, UsageError) for video in videos] == [False, True, False]
    assert "cam1/0001.mp4" in str(videos[1].error)


def test_a_folder_that_vanishes_is_reported_and_the_rest_is_found(tmp_path: Path) -> None:
    """Between listing and entering, a folder may be removed."""
    made(tmp_path, "a.mp4", "gone/b.mp4", "here/c.mp4")
    walk = find_videos([tmp_path])
    first = next(walk)
    (tmp_path / "gone" / "b.mp4").unlink()
    (tmp_path / "gone").rmdir()

    rest = list(walk)

    assert first.video.name == "a.mp4"
    assert isinstance(rest[0].error, StorageError)
    assert rest[1].video.name == "c.mp4"


def test_a_missing_place_is_refused_before_anything_is_touched(tmp_path: Path) -> None:
    """The error names it."""
    with pytest.raises(UsageError, match="nowhere"):
        require_places([tmp_path, tmp_path / "nowhere"])


def test_only_a_part_of_the_tree_is_read_before_the_first_video(tmp_path: Path) -> None:
    """Found one after the other: the first is there before the second folder was listed."""
    made(tmp_path, "a/1.mp4", "b/2.mp4")
    walk = find_videos([tmp_path])

    assert next(walk).video.name == "1.mp4"
    made(tmp_path, "b/3.mp4")
    assert [discovered.video.name for discovered in walk] == ["2.mp4", "3.mp4"]


def test_a_folder_that_goes_last_is_reported_too(tmp_path: Path) -> None:
    """No folder comes after it, and it is named all the same."""
    made(tmp_path, "a.mp4", "gone/b.mp4")
    walk = find_videos([tmp_path])
    next(walk)
    (tmp_path / "gone" / "b.mp4").unlink()
    (tmp_path / "gone").rmdir()
    rest = list(walk)

    assert [discovered.video for discovered in rest] == [tmp_path / "gone"]
    assert str(rest[0].error) == f"folder {tmp_path / 'gone'} cannot be read: No such file or directory"


def test_a_link_to_itself_hides_no_neighbour(tmp_path: Path) -> None:
    """It is neither folder nor file; the videos beside it are found."""
    made(tmp_path, "a.mp4")
    (tmp_path / "loop.mp4").symlink_to(tmp_path / "loop.mp4")
    (tmp_path / "round").symlink_to(tmp_path / "round")

    assert names(tmp_path) == ["a.mp4"]


def test_a_place_may_be_a_video_of_any_name(tmp_path: Path) -> None:
    """Whoever names a file means it."""
    made(tmp_path, "b.data", "a.mp4")

    assert names(tmp_path / "b.data", tmp_path) == ["b.data", "a.mp4"]


def test_only_videos_that_can_run_are_asked_whether_they_are_current(tmp_path: Path) -> None:
    """What has an error keeps it; a video without a manifest needs a run."""
    made(tmp_path, "clip.mp4", "clip.mkv", "other.mp4")
    marked = list(mark_current(find_videos([tmp_path]), None, {"request"}))

    assert [(video.error is None, video.current) for video in marked] == [(False, False), (False, False), (True, False)]
    assert marked[2] == DiscoveredVideo(tmp_path / "other.mp4")


def test_every_suffix_belongs_to_an_accepted_container() -> None:
    """Where libavformat says how a container's files are named, the list of suffixes agrees with it."""
    from av.format import ContainerFormat

    named = {suffix for name in DEMUXERS.split(",") for suffix in ContainerFormat(name, "r").extensions}
    # libavformat recognises these by content alone.
    by_content = {"asf", "wmv", "ts", "m2t", "m2ts", "mts", "mpg", "mpeg", "vob", "mxf", "rm", "rmvb", "gxf", "ivf"}
    also = {"m4v", "ogv"}

    assert {suffix[1:] for suffix in VIDEO_SUFFIXES.split(",")} - named - by_content - also == set()

"""Which packets are frames, and which streams are used."""

from pathlib import Path

import pytest
from decoding import assert_heard_at, decoded, examined, refusal
from edit_lists import with_edits
from judges import by_opencv
from media_samples import (
    BURST,
    burst,
    bytes_of,
    clip,
    decoded_times,
    ffmpeg,
    overwrite,
    picture,
)


def test_hidden_and_trimmed_frames(tmp_path: Path) -> None:
    """Reference pictures that are never shown and frames before an edit list's start are no rows."""
    for turn in ("1", "2"):
        encoder = ("-c:v", "libvpx", "-b:v", "60k", "-auto-alt-ref", "1", "-lag-in-frames", "25", "-pass", turn)
        ffmpeg(*picture(), *encoder, "-passlogfile", tmp_path / "log", tmp_path / "hidden.webm")
    ffmpeg("-ss", "2", "-i", clip(tmp_path / "clip.mp4"), "-c", "copy", tmp_path / "trimmed.mp4")
    for name in ("hidden.webm", "trimmed.mp4"):
        assert examined(tmp_path / name).grid.count == len(decoded_times(tmp_path / name)), name


@pytest.mark.parametrize("default", [0, 1])
def test_two_tracks(tmp_path: Path, default: int) -> None:
    """Of two audio tracks the one marked as default is analysed, and which one it was is recorded."""
    tracks = [*picture(), *burst(at=(1.0, 1.5)), *burst(at=(3.0, 3.5))]
    marks = ["-disposition:a:0", "0", "-disposition:a:1", "0", f"-disposition:a:{default}", "default"]
    ffmpeg(*tracks, "-map", "0", "-map", "1", "-map", "2", *marks, tmp_path / "clip.mkv")
    media, samples = decoded(tmp_path / "clip.mkv", tmp_path)
    assert media.audio is not None
    assert media.audio.index == 1 + default
    start = (1.0, 3.0)[default]
    assert_heard_at(media, samples, start, start + 0.5)


def test_cover_art_is_no_video(tmp_path: Path) -> None:
    """A picture attached to a piece of music is not its video."""
    ffmpeg(*picture(), "-frames:v", "1", tmp_path / "cover.png")
    song = clip(tmp_path / "song.m4a", burst(), "aac")
    ffmpeg("-i", song, "-i", tmp_path / "cover.png", "-map", "0", "-map", "1",
           "-c", "copy", "-disposition:v", "attached_pic", tmp_path / "covered.m4a")  # fmt: skip
    media = examined(tmp_path / "covered.m4a")
    assert media.fps_assumed
    assert media.grid.count == 125


COVERS = {
    "a photograph": "mjpeg",
    "a drawing": "png",
    "a coded still": "libx264",
}


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize("cover", COVERS)
def test_a_still_beside_sound_is_a_cover(tmp_path: Path, cover: str, suffix: str) -> None:
    """Also where nothing marks it as one: rows cover the sound, at the assumed rate, and not the one picture."""
    streams = [*picture(seconds=0.04), *burst(), "-map", "0", "-map", "1", "-c:v", COVERS[cover], "-c:a", "aac"]
    ffmpeg(*streams, tmp_path / f"clip{suffix}")
    media, samples = decoded(tmp_path / f"clip{suffix}", tmp_path)

    assert media.fps_assumed
    assert media.grid.count in (125, 126)
    assert_heard_at(media, samples, *BURST)


def test_a_still_alone_is_a_video_of_one_frame(tmp_path: Path) -> None:
    """Without sound there is nothing else to count."""
    ffmpeg(*picture(), "-frames:v", "1", tmp_path / "clip.mp4")

    assert examined(tmp_path / "clip.mp4").grid.count == 1


def test_the_moving_picture_is_taken_before_a_still(tmp_path: Path) -> None:
    """A cover that comes first, and is the default, does not hide the film."""
    ffmpeg(*picture(), "-frames:v", "1", "-c:v", "mjpeg", tmp_path / "cover.mkv")
    film = clip(tmp_path / "film.mkv")
    ffmpeg("-i", tmp_path / "cover.mkv", "-i", film, "-map", "0", "-map", "1", "-c", "copy", tmp_path / "clip.mkv")
    media = examined(tmp_path / "clip.mkv")

    assert (media.grid.count, media.fps_assumed) == (125, False)


@pytest.mark.parametrize("default", [0, 1])
@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov", ".ts"])
def test_of_several_videos_the_first_is_counted_as_opencv_opens_it(tmp_path: Path, suffix: str, default: int) -> None:
    """Whichever is marked as default: whoever reads the pictures beside our rows reads those of the first."""
    marks = [part for i in (0, 1) for part in (f"-disposition:v:{i}", "default" if i == default else "0")]
    second = ("-f", "lavfi", "-i", "testsrc2=size=128x96:rate=50:duration=3")
    streams = ("-map", "0:v", "-map", "1:v", "-map", "2:a", "-c:v", "mpeg4", "-c:a", "aac")
    path = tmp_path / f"clip{suffix}"
    ffmpeg(*picture(), *second, "-f", "lavfi", "-i", "sine=duration=3", *streams, *marks, "-t", "3", path)
    media = examined(path)

    assert media.grid.count == len(by_opencv(path)) == 75
    said = [note for note in media.notes if "another video, is marked as default" in note]
    assert len(said) == (default == 1 and suffix != ".ts")  # whose streams have no such mark


@pytest.mark.parametrize(
    ("edits", "heard_from"), [([(0, 1), (2, 2)], 1.0), ([(1.5, 1), (3.0, 1)], 0.5), ([(4, 1), (1.6, 2)], 1.4)]
)
def test_several_edits(tmp_path: Path, edits: list[tuple[float, float]], heard_from: float) -> None:
    """Parts of a recording put together without writing it anew: frames and sound of these parts, in this order."""
    video = clip(tmp_path / "clip.mp4", burst(), "aac", "25", "-bf", "0")
    media, samples = decoded(bytes_of(video, with_edits(video.read_bytes(), edits)), tmp_path)
    assert media.grid.count == len(decoded_times(video)) == 25 * sum(seconds for _, seconds in edits)
    assert_heard_at(media, samples, heard_from, heard_from + 0.5)


@pytest.mark.parametrize(
    ("suffix", "mark"), [(".mp4", b"avc1\0\0"), (".mov", b"avc1\0\0"), (".mkv", b"V_MPEG4/ISO/AVC")]
)
def test_a_picture_of_an_unknown_codec_is_refused(tmp_path: Path, suffix: str, mark: bytes) -> None:
    """One sentence names the reason, and what would be accepted."""
    video = overwrite(clip(tmp_path / f"clip{suffix}"), mark, 0, b"V_NEW" if suffix == ".mkv" else b"new1")
    assert "has a picture of an unknown codec" in refusal(video, tmp_path / "out")

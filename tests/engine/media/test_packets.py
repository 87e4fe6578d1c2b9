"""Which packets are frames, and which streams are used."""

from pathlib import Path

import pytest
from decoding import assert_heard_at, decoded, examined
from media_samples import (
    burst,
    clip,
    decoded_times,
    ffmpeg,
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

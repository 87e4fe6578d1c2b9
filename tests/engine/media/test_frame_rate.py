"""Frames of a video: the exact constant rate, or each frame its own time."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from decoding import assert_heard_at, decoded, examined
from judges import FFPROBE, by_ffprobe, by_opencv, by_pyav
from media_samples import (
    BURST,
    burst,
    clip,
    decoded_times,
    ffmpeg,
    picture,
)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize("rate", ["25", "24000/1001", "30000/1001", "50"])
def test_constant_rate(tmp_path: Path, rate: str, suffix: str) -> None:
    """One row per decoded frame, at the exact rate, though Matroska rounds times to 1 ms; the burst in its frames."""
    video = clip(tmp_path / f"clip{suffix}", rate=rate)
    media, samples = decoded(video, tmp_path)
    assert media.grid.fps == Fraction(rate)
    assert not media.variable_frame_rate
    assert not media.fps_assumed
    assert media.grid.count == len(decoded_times(video))
    assert_heard_at(media, samples, *BURST)


@pytest.mark.parametrize("suffix", [".mp4", ".ts"])
def test_rounding_survives_a_remux(tmp_path: Path, suffix: str) -> None:
    """Times that Matroska rounded are still a constant rate after copying into a container with a finer clock."""
    rounded = clip(tmp_path / "clip.mkv", rate="30000/1001")
    ffmpeg("-i", rounded, "-c", "copy", tmp_path / f"copy{suffix}")
    grid = examined(tmp_path / f"copy{suffix}").grid
    assert (grid.fps, grid.pts) == (Fraction(30000, 1001), None)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_variable_rate(tmp_path: Path, suffix: str) -> None:
    """Where frames are missing, each frame keeps its own time, and the burst lies in the frames shown during it."""
    gaps = ("-vf", "select='lt(n,20)+between(n,35,60)+gt(n,75)'", "-fps_mode", "vfr")
    video = clip(tmp_path / f"clip{suffix}", None, "", "25", *gaps)
    media, samples = decoded(video, tmp_path)
    assert media.variable_frame_rate
    assert media.grid.pts is not None
    np.testing.assert_allclose(media.grid.pts, decoded_times(video), atol=1e-3)
    assert media.duration_sec == pytest.approx(5.0, abs=0.1)
    assert_heard_at(media, samples, *BURST)


@pytest.mark.parametrize("suffix", [".mkv", ".flv", ".nut", ".ts"])
def test_two_frames_of_one_time(tmp_path: Path, suffix: str) -> None:
    """A recorder that stamps two frames alike does not make a constant rate of a variable one, whose average fits."""
    uneven = "if(lt(N\\,50)\\,N*80\\,4000+(N-50-eq(N\\,60))*20)"
    stamped = ("-vf", f"settb=1/1000,setpts={uneven}", "-fps_mode", "passthrough", "-enc_time_base", "1:1000")
    video = tmp_path / f"clip{suffix}"
    ffmpeg(*picture("25", 6), *burst(seconds=6), *stamped, "-c:v", "libx264", "-bf", "0", "-c:a", "mp3", video)
    media, samples = decoded(video, tmp_path)

    assert media.grid.count == 150
    for judge in (by_opencv, by_pyav):
        np.testing.assert_allclose(media.grid.times(), judge(video), atol=2e-3)
    assert_heard_at(media, samples, *BURST)


MISSING = ("-vf", "select=not(eq(mod(n\\,5)\\,2))", "-fps_mode", "vfr")
HELD = ("-vf", "setpts=PTS+if(gt(N\\,50)\\,5/TB\\,0)", "-fps_mode", "passthrough")
UNEVEN = {
    "every fifth is missing": (MISSING, [n / 25 for n in range(125) if n % 5 != 2]),
    "one is held for five seconds": (HELD, [n / 25 + 5 * (n > 50) for n in range(125)]),
}
"""What ffmpeg does to 125 frames at 25 a second, and the seconds at which those that are left show."""


@pytest.mark.parametrize("kind", UNEVEN)
@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        *((".avi", codec) for codec in ("libx264 -bf 3", "libx264 -bf 0", "mpeg4 -bf 2", "mjpeg", "ffv1")),
        *((suffix, "libx264 -bf 3") for suffix in (".mkv", ".mp4", ".mov", ".ts", ".flv", ".nut")),
        (".mkv", "libx265 -bf 3 -x265-params log-level=none"),
    ],
)
def test_each_frame_shows_at_its_own_time(tmp_path: Path, kind: str, suffix: str, codec: str) -> None:
    """Also where the container stores decoding times alone, or its clock ticks once a frame."""
    changed, seconds = UNEVEN[kind]
    video = clip(tmp_path / f"clip{suffix}", None, "", "25", *changed, "-c:v", *codec.split())
    grid = examined(video).grid

    assert grid.pts is not None
    if suffix != ".avi":
        np.testing.assert_allclose(grid.times(), seconds, atol=2e-3)
    elif FFPROBE:  # the muxer puts a hole of its own behind the first frame
        theirs = by_ffprobe(video)
        known = np.isfinite(theirs)  # those that the decoder gives out at the end have no time
        assert known.sum() > len(theirs) - 5
        np.testing.assert_allclose(grid.times()[known], theirs[known], atol=2e-3)


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_the_last_frame_is_held_as_long_as_the_container_says(tmp_path: Path, suffix: str) -> None:
    """A screen recording whose picture stands still at its end lasts to that end, and so do its turns."""
    held = ("-vf", "setpts=if(eq(N\\,20)\\,3\\,N/25)/TB,trim=end_frame=21", "-fps_mode", "passthrough")
    bsf = ("-bsf:v", "setts=duration=if(eq(N\\,20)\\,50\\,DURATION)", "-bf", "0")
    video = clip(tmp_path / f"clip{suffix}", None, "", "25", *held, *bsf)
    media = examined(video)

    assert media.grid.count == 21
    assert media.duration_sec == pytest.approx(5.0, abs=0.05)

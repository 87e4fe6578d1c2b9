"""Frames of a video: the exact constant rate, or each frame its own time."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from decoding import assert_heard_at, decoded, examined
from media_samples import (
    BURST,
    clip,
    decoded_times,
    ffmpeg,
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


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_the_last_frame_is_held_as_long_as_the_container_says(tmp_path: Path, suffix: str) -> None:
    """A screen recording whose picture stands still at its end lasts to that end, and so do its turns."""
    held = ("-vf", "setpts=if(eq(N\\,20)\\,3\\,N/25)/TB,trim=end_frame=21", "-fps_mode", "passthrough")
    bsf = ("-bsf:v", "setts=duration=if(eq(N\\,20)\\,50\\,DURATION)", "-bf", "0")
    video = clip(tmp_path / f"clip{suffix}", None, "", "25", *held, *bsf)
    media = examined(video)

    assert media.grid.count == 21
    assert media.duration_sec == pytest.approx(5.0, abs=0.05)

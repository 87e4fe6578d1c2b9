"""Files that people have and that are read right: sound in its place, and a row for each frame that decoders show."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from decoding import assert_heard_at, decoded
from judges import by_opencv, by_pyav
from media_samples import BURST, SECONDS, burst, clip, ffmpeg, heard, picture

SOUNDS: dict[str, tuple[str, ...]] = {
    "mu-law.wav": ("-c:a", "pcm_mulaw"),
    "mu-law, telephone.wav": ("-c:a", "pcm_mulaw", "-ar", "8000"),
    "a-law.wav": ("-c:a", "pcm_alaw"),
    "mu-law.mov": ("-c:a", "pcm_mulaw"),
    "a-law.mkv": ("-c:a", "pcm_alaw", "-ar", "8000"),
    "G.722.wav": ("-c:a", "g722", "-ar", "16000"),
    "RF64.wav": ("-rf64", "always"),
    "RF64, 24 bits.wav": ("-rf64", "always", "-c:a", "pcm_s24le"),
    "Wave64.w64": (),
    "Wave64, floats.w64": ("-c:a", "pcm_f32le"),
    "AIFF.aiff": (),
    "Core Audio.caf": (),
}


@pytest.mark.parametrize("name", SOUNDS)
def test_sounds_of_telephones_and_studios(tmp_path: Path, name: str) -> None:
    """Companded, sub-band and 64-bit kinds of file are heard at their times."""
    video = tmp_path / name
    moving = picture() if video.suffix in (".mov", ".mkv") else []
    ffmpeg(*moving, *burst(), *SOUNDS[name], video)
    media, samples = decoded(video, tmp_path)
    assert media.grid.count == 25 * SECONDS
    assert_heard_at(media, samples, *BURST)


X264 = ("-c:v", "libx264", "-bf", "2", "-g", "25")
LAST_TICKS = ("-output_ts_offset", f"{2**33 / 90000 - 3:.3f}")
"""Three seconds before the clock of MPEG's 33 bits begins anew."""

JITTER = (
    "-vf",
    "settb=1/90000,setpts=PTS+if(mod(N\\,3)\\,0.012/TB\\,0)",
    "-fps_mode",
    "passthrough",
    "-enc_time_base",
    "1:90000",
)


def broken_dts(path: Path) -> None:
    """A remux whose decoding times jump forward and back, as broken muxers write them."""
    whole = path.with_name(f"whole{path.suffix}")
    ffmpeg(*picture(), *burst(), *X264, whole)
    ffmpeg("-i", whole, "-c", "copy", "-bsf:v", "setts=pts=PTS:dts=if(eq(mod(N\\,5)\\,2)\\,DTS+300\\,DTS)", path)


def rotated(path: Path) -> None:
    """A telephone's: the clock of its frames jitters, and it is held upright."""
    lying = path.with_name(f"lying{path.suffix}")
    ffmpeg(*picture(), *burst(), *JITTER, *X264, lying)
    ffmpeg("-display_rotation", "90", "-i", lying, "-c", "copy", path)


def made(*options: str, rate: str = "25") -> Callable[[Path], None]:
    """A picture and the burst with these options."""
    return lambda path: ffmpeg(*picture(rate), *burst(), *options, path)


PULLDOWN = ("-c:v", "libx264", "-x264-params", "pulldown=32")
PICTURES: dict[str, Callable[[Path], None]] = {
    "clock wraps.ts": made(*X264, "-c:a", "mp2", *LAST_TICKS),
    "clock wraps, AAC.ts": made(*X264, "-c:a", "aac", *LAST_TICKS),
    "clock wraps, MPEG-2.ts": made("-c:v", "mpeg2video", "-bf", "2", "-c:a", "mp2", *LAST_TICKS),
    "pulldown.mp4": made(*PULLDOWN, rate="24000/1001"),
    "pulldown.mkv": made(*PULLDOWN, rate="24000/1001"),
    "pulldown.ts": made(*PULLDOWN, rate="24000/1001"),
    "broken DTS.mp4": broken_dts,
    "broken DTS.ts": broken_dts,
    "RealMedia.rm": made("-c:v", "rv10", "-s", "64x48", "-c:a", "ac3", "-ar", "48000"),
    "telephone.mov": rotated,
    "telephone.mp4": rotated,
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_of_receivers_and_telephones(tmp_path: Path, name: str) -> None:
    """Rows and times are those of OpenCV and PyAV, and the burst lies in the frames shown during it."""
    av.logging.set_level(av.logging.PANIC)
    video = tmp_path / name
    PICTURES[name](video)
    media, samples = decoded(video, tmp_path)
    for judge in (by_opencv, by_pyav):
        np.testing.assert_allclose(media.grid.times(), judge(video), atol=2e-3)
    assert media.variable_frame_rate == name.startswith("telephone")
    assert_heard_at(media, samples, *BURST)


@pytest.mark.parametrize("ordered", ["-bf 0", "-bf 2"])
def test_a_file_of_a_broadcast_server(tmp_path: Path, ordered: str) -> None:
    """The end of GXF is no damage; of its last frame no time is stored, and judges do not agree on one."""
    coded = ("-c:v", "mpeg2video", *ordered.split(), "-s", "720x576", "-pix_fmt", "yuv420p", "-ar", "48000")
    video = clip(tmp_path / "clip.gxf", None, "pcm_s16le", "25", *coded)
    media, samples = decoded(video, tmp_path)
    for judge in (by_opencv, by_pyav):
        assert media.grid.count == len(judge(video)) == 125
        np.testing.assert_allclose(media.grid.times()[:-1], judge(video)[:-1], atol=2e-3)
    # Its demuxer shows the picture a frame late, as MPEG-2 is decoded, and the sound at once.
    assert heard(samples.load()) == pytest.approx(np.subtract(BURST, 0.04), abs=0.01)


@pytest.mark.parametrize(
    "encoder",
    [
        ("libsvtav1", "-preset", "8", "-svtav1-params", "enable-overlays=1:lookahead=30"),
        ("libaom-av1", "-cpu-used", "8", "-lag-in-frames", "25", "-auto-alt-ref", "1", "-b:v", "60k"),
    ],
    ids=["SVT", "libaom"],
)
@pytest.mark.parametrize("suffix", [".webm", ".mp4", ".mkv"])
def test_hidden_frames_that_av1_shows_later(tmp_path: Path, encoder: tuple[str, ...], suffix: str) -> None:
    """A frame is a row when it is shown, not when it is coded; OpenCV's wheel has no AV1 decoder."""
    video = clip(tmp_path / f"clip{suffix}", None, "libopus", "25", "-c:v", *encoder, "-g", "50")
    media, samples = decoded(video, tmp_path)
    np.testing.assert_allclose(media.grid.times(), by_pyav(video), atol=2e-3)
    assert_heard_at(media, samples, *BURST)

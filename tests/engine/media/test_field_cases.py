"""Twelve seconds as cameras, receivers and editors leave them: the rows of decoders, and the sound in its rows."""

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from decoding import assert_heard_at, decoded, examined
from field_pictures import write_fields
from judges import by_opencv, by_pyav
from media_samples import burst, bytes_of, ffmpeg, heard

SECONDS = 12
SPOKEN = (3.24, 10.36)
"""Frames 82 to 259 of 300 at 25 frames a second."""

MOVING = ("-f", "lavfi", "-i", f"testsrc2=size=64x48:rate=25:duration={SECONDS}")
SOUND = burst(48000, seconds=SECONDS, at=SPOKEN)
GROUPS = ("-g", "50", "-sc_threshold", "0")


@pytest.fixture(scope="module")
def camcorder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a camcorder writes: 600 packets of a field each, and sound."""
    folder = tmp_path_factory.mktemp("camcorder")
    stream = write_fields(folder / "clip.h264", "f" * 300)
    coded = ("-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", "aac")
    ffmpeg("-f", "h264", "-i", stream, *SOUND, *coded, folder / "clip.mts")
    return folder / "clip.mts"


@pytest.mark.parametrize("suffix", [".mts", ".mp4", ".mkv", ".mov"])
def test_a_camcorder_s_separate_fields(camcorder: Path, tmp_path: Path, suffix: str) -> None:
    """600 packets of a field each are 300 frames at 25 a second."""
    ffmpeg("-i", camcorder, "-c", "copy", tmp_path / f"clip{suffix}")
    media, samples = decoded(tmp_path / f"clip{suffix}", tmp_path)

    assert media.grid.count == len(by_opencv(tmp_path / f"clip{suffix}")) == 300
    assert float(media.grid.fps) == pytest.approx(25, rel=1e-3)
    assert_heard_at(media, samples, *SPOKEN)


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [
        (("libx264", "-preset", "ultrafast", "-bf", "2", "-keyint_min", "50"), ".ts"),
        (("libx264", "-preset", "ultrafast", "-bf", "2", "-x264-params", "open-gop=1"), ".ts"),
        (("libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=50"), ".ts"),
        (("mpeg2video", "-bf", "2"), ".ts"),
        (("mpeg2video", "-bf", "2"), ".mpg"),
    ],
    ids=["H.264", "H.264, open groups", "HEVC", "MPEG-2", "MPEG-2, PS"],
)
@pytest.mark.parametrize("lost", [0.03, 0.2])
def test_a_recording_that_begins_within_a_group(tmp_path: Path, codec: Sequence[str], suffix: str, lost: float) -> None:
    """Rows begin with the first frame that can be shown, and the sound is placed by it."""
    av.logging.set_level(av.logging.PANIC)
    ffmpeg(*MOVING, *SOUND, "-c:v", *codec, *GROUPS, "-c:a", "mp2", tmp_path / f"whole{suffix}")
    content, packet = (tmp_path / f"whole{suffix}").read_bytes(), {".ts": 188, ".mpg": 2048}[suffix]
    video = bytes_of(tmp_path / f"clip{suffix}", content[int(len(content) * lost) // packet * packet :])
    media, samples = decoded(video, tmp_path)
    begins = media.video_start - examined(tmp_path / f"whole{suffix}").video_start

    assert media.grid.count == len(by_opencv(video)) == len(by_pyav(video))
    assert media.grid.count == pytest.approx(300 - 25 * begins, abs=1)
    assert begins > 0.5
    first, last = heard(samples.load())
    assert first == pytest.approx(max(0.0, SPOKEN[0] - begins), abs=0.04)
    assert last == pytest.approx(SPOKEN[1] - begins, abs=0.04)


OPTIONS = {
    "sought first": (("-ss", "1.5"), ()),
    "sought first, times kept": (("-ss", "1.5"), ("-copyts",)),
    "sought first, from zero": (("-ss", "1.5"), ("-copyts", "-avoid_negative_ts", "make_zero")),
    "sought first, negative times": (("-ss", "1.5"), ("-avoid_negative_ts", "disabled")),
    "begins within a group": ((), ("-ss", "1.5", "-copyinkf")),
    "begins within a group, times kept": ((), ("-ss", "1.5", "-copyinkf", "-copyts")),
}
OPEN = {
    "H.264": ("libx264", "-preset", "veryfast", "-keyint_min", "50", "-bf", "3", "-x264-params", "open-gop=1"),
    "HEVC": ("libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:bframes=3:scenecut=0:keyint=50"),
    "MPEG-2": ("mpeg2video", "-bf", "2"),
    "MPEG-2, broken links": ("mpeg2video", "-bf", "2"),
}  # fmt: skip


@pytest.mark.parametrize("kind", OPEN)
@pytest.mark.parametrize("suffix", [".mkv", ".ts"])
def test_a_part_copied_out_of_open_groups(tmp_path: Path, kind: str, suffix: str) -> None:
    """However its times were kept or moved: leading pictures without their references are no rows."""
    av.logging.set_level(av.logging.PANIC)
    ffmpeg(*MOVING, *SOUND, "-c:v", *OPEN[kind], *GROUPS, "-c:a", "mp2", tmp_path / "whole.ts")
    for name, (before, behind) in OPTIONS.items():
        part = tmp_path / f"{name}{suffix}"
        ffmpeg(*before, "-i", tmp_path / "whole.ts", "-map", "0", "-c", "copy", *behind, part)
        if "broken" in kind:
            part.write_bytes(with_broken_links(part.read_bytes()))
        ours, theirs = examined(part).grid.times(), by_pyav(part)

        assert len(ours) == len(theirs) == len(by_opencv(part)), name
        np.testing.assert_allclose(ours, theirs, atol=2e-3, err_msg=name)


def with_broken_links(content: bytes) -> bytes:
    """Mark leading pictures of every open group as without their references (ISO/IEC 13818-2, 6.3.8)."""
    changed, at = bytearray(content), content.find(b"\0\0\1\xb8")
    while at >= 0:
        if not changed[at + 7] & 0x40:
            changed[at + 7] |= 0x20
        at = content.find(b"\0\0\1\xb8", at + 4)
    assert changed != content
    return bytes(changed)


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [("dirac", ".ts"), ("jpeg2000", ".mov"), ("cfhd", ".mov"), ("qtrle", ".mov"), ("mjpeg", ".mp4"), ("h263", ".3gp")],
)
def test_less_common_codecs(tmp_path: Path, codec: str, suffix: str) -> None:
    """A packet that only ends a sequence is no frame; what stands still may be none either."""
    encoder = ("-c:v", {"dirac": "vc2"}.get(codec, codec), "-s", "176x144", "-t", "3")
    ffmpeg(*MOVING, *encoder, tmp_path / f"clip{suffix}")
    media = examined(tmp_path / f"clip{suffix}")

    np.testing.assert_allclose(media.grid.times(), by_pyav(tmp_path / f"clip{suffix}"), atol=2e-3)
    assert media.grid.count == len(by_opencv(tmp_path / f"clip{suffix}")) == 75
    assert media.notes == ()

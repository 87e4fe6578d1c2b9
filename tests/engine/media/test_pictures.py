"""A row for each frame that a decoder shows, at its time: OpenCV, ffprobe and PyAV are the judges."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from decoding import examined
from field_pictures import write_fields
from frame_corpus import KINDS, corpus
from judges import FFPROBE, by_ffprobe, by_opencv, by_pyav
from media_samples import bytes_of, ffmpeg, overwrite, picture
from numpy.typing import NDArray

from tasks.engine.core.errors import MediaError
from tasks.engine.media.containers import Media, open_container, read
from tasks.engine.media.limits import MediaLimits
from tasks.engine.media.pictures import PictureCheck, _presentation_times, decoded_times

ROUNDED = 2e-3
"""Seconds: containers round times to 1 ms, and our constant rate undoes it."""


def same(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> bool:
    """As many frames, at the same times where the judge knows them: of MPEG-PS the last frame often has none."""
    known = np.isfinite(theirs) & np.append(True, np.diff(theirs) > 0)
    return len(ours) == len(theirs) and bool(np.all(np.abs(ours - theirs)[known] <= ROUNDED))


def verdicts(path: Path) -> dict[str, bool]:
    """Which judges say what we say."""
    ours = read(path, MediaLimits()).grid.times()
    judges = {"OpenCV": by_opencv, "PyAV": by_pyav, **({"ffprobe": by_ffprobe} if FFPROBE else {})}
    theirs = {name: judge(path) for name, judge in judges.items()}
    found = {name: same(ours, times) for name, times in theirs.items()}
    pyav = theirs["PyAV"]
    if path.suffix == ".mpg" and len(ours) == len(pyav) > 1 and pyav[1] <= pyav[0]:
        # A cut leaves the first picture without a time, and PyAV tells the one that was made up: others decide of that.
        found["PyAV"] = same(ours[1:] - ours[1], pyav[1:] - pyav[1])
    return found


ALONE = {
    # OpenCV's wheel has no AV1 decoder, and it stops at Theora's empty packets, which repeat the frame before. Of
    # fields in MPEG-PS that end within a picture it may lack that one.
    "OpenCV": lambda codec, container, cut: (
        codec in ("av1", "theora") or (codec == "mpeg2, interlaced" and container == "mpg" and cut != "whole")
    ),
    # Before version 7 it shows pictures of HEVC whose references are lost, and what an edit list cuts from AV1
    # and MJPEG.
    "ffprobe": lambda codec, container, cut: (
        codec == "av1"
        or (codec, container) == ("mjpeg", "mov")
        or (codec.startswith("hevc") and container == "ts" and ("lost" in cut or "byte" in cut))
    ),
    # As it gives them, AVI's times are made up and out of order: frame.pts where libavcodec goes by frame.dts.
    "PyAV": lambda _codec, container, _cut: container == "avi",
}
"""Where one judge is known to disagree with the other two, and why."""


@pytest.mark.slow
@pytest.mark.parametrize(("codec", "container"), KINDS)
def test_rows_are_the_frames_of_three_decoders(tmp_path: Path, codec: str, container: str) -> None:
    """Over codec, container and cut; where one judge is wrong, which is written down, the other two decide."""
    av.logging.set_level(av.logging.PANIC)
    wrong = [
        f"{cut}: {judge}"
        for cut, path in corpus(tmp_path, codec, container)
        for judge, equal in verdicts(path).items()
        if not (equal or ALONE[judge](codec, container, cut))
    ]

    assert wrong == []


def shown(path: Path) -> Media:
    """What we say of a file on which all judges agree with us."""
    assert all(verdicts(path).values()), verdicts(path)
    return examined(path)


@pytest.mark.parametrize("suffix", [".mts", ".mp4", ".mkv"])
@pytest.mark.parametrize(
    ("kinds", "fields", "ticks", "rate"),
    [("f" * 50, 50, 1, "25"), ("fw" * 25, 50, 1, "25"), ("w" * 60 + "f" * 15, 60000, 1001, "30000/1001")],
    ids=["fields", "fields and frames", "frames, then fields"],
)
def test_separate_fields_are_one_frame(
    tmp_path: Path, kinds: str, fields: int, ticks: int, rate: str, suffix: str
) -> None:
    """AVCHD camcorders give each field a packet: 25 rows a second, not 50, wherever in the stream fields come."""
    stream = write_fields(tmp_path / "clip.h264", kinds, fields, ticks)
    ffmpeg("-f", "h264", "-i", stream, "-c", "copy", tmp_path / "clip.mts")
    path = tmp_path / f"clip{suffix}"
    if suffix != ".mts":
        ffmpeg("-i", tmp_path / "clip.mts", "-c", "copy", path)
    grid = shown(path).grid

    assert grid.count == len(kinds)
    assert float(grid.fps) == pytest.approx(float(eval_rate(rate)), rel=1e-3)


def eval_rate(rate: str) -> float:
    """25, or 30000/1001."""
    whole, _, part = rate.partition("/")
    return int(whole) / int(part or 1)


def test_a_recording_that_starts_within_a_group(tmp_path: Path) -> None:
    """The first frame is the first that can be shown, and sound is placed by it."""
    groups = ("-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "50", "-sc_threshold", "0", "-c:a", "mp2")
    picture = ("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=12", "-f", "lavfi", "-i", "sine=duration=12")
    ffmpeg(*picture, *groups, tmp_path / "whole.ts")
    content = (tmp_path / "whole.ts").read_bytes()
    media = shown(bytes_of(tmp_path / "clip.ts", content[len(content) // 188 * 3 // 100 * 188 :]))

    assert (media.grid.count, media.grid.fps) == (250, 25)
    assert media.video_start == pytest.approx(examined(tmp_path / "whole.ts").video_start + 2.0, abs=0.001)


def test_the_first_picture_after_a_cut_comes_first(tmp_path: Path) -> None:
    """MPEG-PS names no time for every picture: the one after a cut is given no other's, and no two are alike."""
    picture = ("-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25:duration=6")
    ffmpeg(*picture, "-c:v", "mpeg2video", "-bf", "2", "-flags", "+ildct+ilme", "-g", "12", tmp_path / "whole.mpg")
    content = (tmp_path / "whole.mpg").read_bytes()
    cuts = [bytes_of(tmp_path / f"{pack}.mpg", content[pack * 2048 :]) for pack in range(3, 40)]
    made_up = [path for path in cuts if (np.diff(by_pyav(path)) <= 0).any()]

    assert len(made_up) > 2
    for path in made_up:
        assert np.diff(shown(path).grid.times()) == pytest.approx(0.04, abs=1e-3), path.name


@pytest.mark.parametrize(
    ("stamps", "times"),
    [
        ([(6, 0), (2, 2), (3, 3), (6, 4)], [0, 2, 3, 4]),
        ([(80, 0), (120, 40), (160, 80), (160, 120), (240, 160)], [80, 120, 160, 120, 160]),
        ([(0, -80), (40, -40), (80, 0), (None, 40), (160, 80)], [0, 40, 80, 40, 160]),
        ([(1000, 1000), (1040, 1040), (10, 10), (50, 50)], [1000, 1040, 10, 50]),
    ],
    ids=["the first is made up", "one repeated", "one missing", "a jump back"],
)
def test_a_time_is_taken_back_where_that_puts_frames_in_order(stamps: list[tuple[Any, Any]], times: list[int]) -> None:
    """(Presentation, decoding) times of frames as they are shown: all others stay as libavcodec has them."""
    frames = [SimpleNamespace(pts=pts, dts=dts) for pts, dts in stamps]

    assert _presentation_times(frames) == times


def test_packets_decide_where_nothing_is_special(tmp_path: Path) -> None:
    """A plain video is not decoded as a whole: that would cost more than all the rest."""
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=64x36:duration=4", "-c:v", "libx264", "-g", "10", tmp_path / "clip.mp4")
    with open_container(tmp_path / "clip.mp4") as container:
        check = PictureCheck(container.streams.video[0])
        for packet in container.demux(video=0):
            if packet.size:
                check.add(packet, hidden=False)
        check.finish()

    assert (check.reason, check.dropped) == ("", set())


@pytest.mark.parametrize("group", [1, 2, 4, 9])
def test_a_group_that_decodes_to_something_else_is_noticed(tmp_path: Path, group: int) -> None:
    """Groups 1, 2, 4 and the last are decoded: a frame in one of them that is no row is noticed."""
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=64x36:duration=4", "-c:v", "libx264", "-g", "10", "-bf", "0",
           "-sc_threshold", "0", tmp_path / "clip.mp4")  # fmt: skip
    with open_container(tmp_path / "clip.mp4") as container:
        check = PictureCheck(container.streams.video[0])
        packets = [packet for packet in container.demux(video=0) if packet.size]
        for number, packet in enumerate(packets):
            check.add(packet, hidden=number == 10 * group + 5)
        check.finish()

    assert check.reason == "decoding shows other frames than there are packets"


@pytest.mark.parametrize(
    ("codec", "kind", "skip", "count"),
    [
        ("libx264", b"avcC", 9, b"\xff"),
        ("libx264", b"avcC", 9, b"\xe0"),
        ("libx265 -x265-params log-level=none:repeat-headers=1", b"hvcC", 26, b"\xff"),
        ("libx265 -x265-params log-level=none:repeat-headers=1", b"hvcC", 26, b"\0"),
    ],
)
def test_broken_headers_beside_the_stream(tmp_path: Path, codec: str, kind: bytes, skip: int, count: bytes) -> None:
    """Rows are what decoders show, which may go by the headers within; where they show nothing, a sentence says so."""
    av.logging.set_level(av.logging.PANIC)
    video = tmp_path / "clip.mp4"
    ffmpeg(*picture(), "-c:v", *codec.split(), "-bsf:v", "dump_extra=freq=keyframe", video)
    overwrite(video, kind, skip, count)
    if len(by_opencv(video)):
        assert all(same(examined(video).grid.times(), judge(video)) for judge in (by_opencv, by_pyav))
    else:
        with pytest.raises(MediaError, match="no frame can be decoded"):
            examined(video)


def counted(path: Path) -> tuple[str, str | None]:
    """By what the manifest says that the frames were counted, and why packets alone did not tell."""
    said = examined(path).facts()["frames_counted"]
    return said["by"], said["reason"]


def test_files_say_how_their_frames_were_counted(tmp_path: Path) -> None:
    """By packets, by decoding and why, without a check, or by the sound: whoever doubts a row can start from there."""
    source = ("-f", "lavfi", "-i", "testsrc=size=64x36:duration=4", "-f", "lavfi", "-i", "sine=duration=4")
    codecs = {"plain.mp4": "libx264", "open.ts": "mpeg2video", "old.avi": "zmbv", "song.wav": "pcm_s16le"}
    for name, codec in codecs.items():
        ffmpeg(*source, *(("-vn",) if name == "song.wav" else ("-c:v", codec, "-bf", "2")), tmp_path / name)
    ffmpeg("-ss", "1.5", "-i", tmp_path / "open.ts", "-c", "copy", tmp_path / "copy.mkv")
    ffmpeg("-i", write_fields(tmp_path / "fields.h264", "f" * 50), "-c", "copy", tmp_path / "fields.mts")

    assert counted(tmp_path / "plain.mp4") == ("packets", None)
    assert counted(tmp_path / "copy.mkv") == ("packets", "2 before the first frame that can be shown are left out")
    assert counted(tmp_path / "fields.mts") == ("decoding", "pictures come as separate fields")
    assert counted(tmp_path / "old.avi") == ("packets_unchecked", "no decoder of zmbv is accepted")
    assert examined(tmp_path / "old.avi").notes == (
        "each packet of the picture counts as a frame: no decoder of zmbv is accepted",
    )
    assert counted(tmp_path / "song.wav") == ("sound", "there is no moving picture")


def test_edits_of_a_recording(tmp_path: Path) -> None:
    """Frames that an edit cuts are no rows, at the start and between two parts that are kept."""
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=12", "-c:v", "libx264", "-bf", "2", "-g", "50",
           tmp_path / "whole.mp4")  # fmt: skip
    for number, parts in enumerate(([(0, 2), (4, 2)], [(1.2, 2), (6.4, 1), (9, 2)], [(3, 1.4)])):
        path = with_edits(tmp_path / "whole.mp4", tmp_path / f"{number}.mp4", parts)
        assert shown(path).grid.count == round(25 * sum(length for _, length in parts)), parts


def with_edits(source: Path, path: Path, parts: list[tuple[float, float]]) -> Path:
    """Write an edit list (ISO/IEC 14496-12, 8.6.6) of (start, seconds) over the one that ffmpeg wrote."""
    content = bytearray(source.read_bytes())
    with av.open(str(source)) as container:
        base = container.streams.video[0].time_base.denominator
    edits = b"".join(
        int(1000 * length).to_bytes(4, "big") + int(start * base + 1024 * base / 12800).to_bytes(4, "big") + b"\0\1\0\0"
        for start, length in parts
    )
    new = b"elst" + bytes(4) + len(parts).to_bytes(4, "big") + edits
    at = content.index(b"edts") - 4
    size = int.from_bytes(content[at : at + 4], "big")
    box = (len(new) + 12).to_bytes(4, "big") + b"edts" + (len(new) + 4).to_bytes(4, "big") + new
    content[at : at + size] = box
    for name in (b"moov", b"trak"):
        place = content.index(name) - 4
        grown = int.from_bytes(content[place : place + 4], "big") + len(box) - size
        content[place : place + 4] = grown.to_bytes(4, "big")
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("suffix", [".avi", ".mp4"])
def test_a_whole_decode_tells_times(tmp_path: Path, suffix: str) -> None:
    """In order, one for each frame, where the container made presentation times up as well."""
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=64x36:duration=2", "-c:v", "libx264", "-bf", "3", tmp_path / f"c{suffix}")
    with open_container(tmp_path / f"c{suffix}") as container:
        base = container.streams.video[0].time_base
        times = decoded_times(container, 0, decode_order=suffix == ".avi")

    assert np.diff([float(at * base) for at in times if at is not None]) == pytest.approx([0.04] * 49, abs=1e-3)

"""HEVC, MPEG-2 and VP9: a packet is a frame, unless its header says something else."""

from pathlib import Path

import av
import pytest
from media_samples import ffmpeg, picture

from tasks.engine.media.h264_headers import CHANGES, FIELDS
from tasks.engine.media.picture_headers import READERS, Hevc, Mpeg2, Vp9

ENCODERS = {
    "hevc": ("libx265", "-x265-params", "log-level=none:bframes=3:keyint=10"),
    "mpeg2video": ("mpeg2video", "-bf", "2", "-g", "12", "-flags", "+ildct+ilme"),
    "mpeg1video": ("mpeg1video", "-bf", "2"),
    "vp9": ("libvpx-vp9", "-b:v", "60k", "-lag-in-frames", "16", "-auto-alt-ref", "1", "-cpu-used", "4"),
}


def packets_of(path: Path) -> tuple[bytes, list[bytes]]:
    """Extradata and packets of a video stream."""
    with av.open(str(path)) as container:
        extradata = bytes(container.streams.video[0].codec_context.extradata or b"")
        return extradata, [bytes(packet) for packet in container.demux(video=0) if packet.size]


def coded(folder: Path, codec: str, suffix: str = ".mkv") -> tuple[bytes, list[bytes]]:
    """The same of a second of test picture."""
    ffmpeg(*picture(seconds=1), "-c:v", *ENCODERS[codec], folder / f"clip{suffix}")
    return packets_of(folder / f"clip{suffix}")


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [
        ("hevc", ".mp4"),
        ("hevc", ".ts"),
        ("mpeg2video", ".ts"),
        ("mpeg2video", ".mkv"),
        ("mpeg1video", ".mpg"),
        ("vp9", ".webm"),
        ("vp9", ".mp4"),
    ],
)
def test_every_packet_of_real_streams_is_a_frame(tmp_path: Path, codec: str, suffix: str) -> None:
    """Leading pictures, interlaced frames, hidden frames inside of superframes."""
    extradata, packets = coded(tmp_path, codec, suffix)
    reader = READERS[codec](extradata)

    assert [reader(packet) for packet in packets] == [""] * 25


def sliced(kind: int, flags: int) -> bytes:
    """The beginning of an HEVC picture of that nal_unit_type behind a start code."""
    return b"\0\0\1" + bytes([kind << 1, 1, flags, 0x80])


def test_hevc_splices_drop_pictures() -> None:
    """An end of sequence before more pictures, a broken link, a picture that forbids output of those before it."""
    first, plain, end = sliced(19, 0x80), sliced(1, 0x80), b"\0\0\1" + bytes([36 << 1, 1, 0])
    for packets, reason in (
        ([first, plain, plain + end], ""),
        ([first, plain + end, first], "parts are spliced"),
        ([first, plain, sliced(16, 0x80)], "parts are spliced"),
        ([first, plain, sliced(19, 0xC0)], "parts are spliced"),
        ([sliced(16, 0xC0), plain, sliced(21, 0x80), sliced(8, 0x80)], ""),
        ([first, plain + plain], "a packet holds 2 pictures"),
        ([first, end], "a packet holds 0 pictures"),
    ):
        reader = Hevc(b"")
        assert [reader(packet) for packet in packets][-1] == reason, packets


def test_hevc_pictures_may_be_marked_as_not_for_output() -> None:
    """Where the parameter set says that slices hold a flag for it, a decoder must be asked."""
    assert Hevc(b"")(b"\0\0\1\x44\x01\xd0" + sliced(19, 0x80)) == "pictures may be hidden"
    assert Hevc(b"")(b"\0\0\1\x44\x01\xc0" + sliced(19, 0x80)) == ""


def test_a_second_layer_of_hevc_is_no_picture_of_its_own() -> None:
    """Another eye's view or an alpha plane lies in the same packet, under another nuh_layer_id."""
    assert Hevc(b"")(sliced(19, 0x80) + b"\0\0\1\x26\x09\x80\x80") == ""


def test_mpeg2_fields_are_told_from_frames(tmp_path: Path) -> None:
    """picture_structure of the picture coding extension: 1 and 2 are fields, 3 a frame."""
    _, packets = coded(tmp_path, "mpeg2video", ".ts")
    at = packets[0].index(b"\0\0\1\xb5\x8f") + 6
    field = packets[0][:at] + bytes([packets[0][at] & ~3 | 1]) + packets[0][at + 1 :]

    assert Mpeg2(b"")(packets[0]) == ""
    assert Mpeg2(b"")(field) == FIELDS
    assert Mpeg2(b"")(packets[0] + packets[1]) == "a packet holds 2 pictures"


def test_sequence_headers_that_change_are_a_reason(tmp_path: Path) -> None:
    """Another size in the middle: the decoder starts again and may drop what it had not shown."""
    _, packets = coded(tmp_path, "mpeg2video", ".ts")
    at = packets[0].index(b"\0\0\1\xb3") + 4
    reader = Mpeg2(b"")

    assert reader(packets[0]) == ""
    assert reader(packets[0][:at] + b"\x05" + packets[0][at + 1 :]) == CHANGES


def test_a_hidden_vp9_frame_alone_shows_nothing(tmp_path: Path) -> None:
    """As some writers store them: the superframe taken apart is a packet that shows none and one that shows one."""
    for turn in ("1", "2"):
        moving = (
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=192x108:rate=25:duration=1.5",
            "-c:v",
            "libvpx-vp9",
            "-b:v",
            "150k",
        )
        hiding = ("-lag-in-frames", "25", "-auto-alt-ref", "1", "-cpu-used", "2", "-pass", turn)
        ffmpeg(*moving, *hiding, "-passlogfile", tmp_path / "log", tmp_path / "clip.webm")
    _, packets = packets_of(tmp_path / "clip.webm")
    superframe = next(packet for packet in packets if len(list(Vp9._frames(packet))) == 2)
    hidden, shown = (bytes(frame) for frame in Vp9._frames(superframe))
    reader = Vp9(b"")

    assert reader(superframe) == reader(shown) == ""
    assert reader(hidden) == "a packet shows 0 frames"
    assert reader(bytes([0b10001000])) == "", "show_existing_frame shows a hidden one again"

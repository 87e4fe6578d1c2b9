"""H.264: a packet is a frame, unless its header says something else."""

from pathlib import Path

import av
import pytest
from field_pictures import coded_picture, parameter_sets, write_fields
from media_samples import ffmpeg, picture

from tasks.engine.media.h264_headers import CHANGES, FIELDS, H264

SETS = parameter_sets(50, 1)


def test_fields_are_told_from_frames_of_the_same_stream() -> None:
    """Each field says that it is one; a whole picture of an interlaced stream is a frame."""
    assert H264(b"")(SETS + coded_picture(0, None)) == ""
    assert H264(b"")(SETS + coded_picture(0, 0)) == FIELDS
    assert H264(SETS)(coded_picture(0, 1)) == FIELDS


def test_two_pictures_in_a_packet_are_no_frame() -> None:
    """Nor is none: a decoder must say what it shows of them."""
    reader = H264(SETS)

    assert reader(coded_picture(0, None) * 2) == "a packet holds 2 pictures"
    assert reader(SETS) == "a packet holds 0 pictures"


def test_another_sequence_header_is_a_change() -> None:
    """The same one again is none, as broadcasts repeat it."""
    reader = H264(SETS)

    assert reader(SETS + coded_picture(0, None)) == ""
    assert reader(parameter_sets(60, 1) + coded_picture(0, None)) == CHANGES


def test_a_picture_without_its_parameters_cannot_be_read() -> None:
    """In a stream that may hold fields: the caller takes the error for a reason to decode."""
    reader = H264(SETS)
    reader.pictures.clear()
    with pytest.raises(KeyError):
        reader(coded_picture(0, None))


@pytest.mark.parametrize(
    "options",
    [
        ("-bf", "3"),
        ("-flags", "+ildct+ilme"),
        ("-x264-params", "slices=4:open-gop=1"),
        ("-profile:v", "baseline", "-pix_fmt", "yuv420p"),
        ("-x264-params", "cqm=jvt", "-flags", "+ildct+ilme"),
        ("-pix_fmt", "yuv444p", "-x264-params", "cqm=jvt", "-flags", "+ildct+ilme"),
        ("-pix_fmt", "yuv422p10le", "-flags", "+ildct+ilme"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("suffix", [".mp4", ".ts"])
def test_every_packet_of_real_streams_is_a_frame(tmp_path: Path, options: tuple[str, ...], suffix: str) -> None:
    """Slices, adaptive fields in a frame (MBAFF), scaling lists, other chroma: one packet, one frame."""
    path = tmp_path / f"clip{suffix}"
    ffmpeg(*picture(seconds=1), "-c:v", "libx264", *options, path)
    with av.open(str(path)) as container:
        reader = H264(bytes(container.streams.video[0].codec_context.extradata or b""))
        reasons = [reader(bytes(packet)) for packet in container.demux(video=0) if packet.size]

    assert reasons == [""] * 25


def test_fields_are_seen_through_containers(tmp_path: Path) -> None:
    """With start codes or lengths, and the parameter sets in the packets or beside them."""
    stream = write_fields(tmp_path / "clip.h264", "wf" * 5)
    for suffix in (".ts", ".mp4", ".mkv"):
        path = tmp_path / f"clip{suffix}"
        ffmpeg("-r", "50", "-i", stream, "-c", "copy", path)
        with av.open(str(path)) as container:
            reader = H264(bytes(container.streams.video[0].codec_context.extradata or b""))
            assert FIELDS in [reader(bytes(packet)) for packet in container.demux(video=0) if packet.size], suffix

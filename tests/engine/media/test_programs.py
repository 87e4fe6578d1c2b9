"""Programmes of a transport stream, read from its tables."""

from pathlib import Path

import pytest
from media_samples import burst, bytes_of, ffmpeg, picture

from tasks.engine.media.programs import read_programs

RADIO, TELEVISION = {256, 258}, {257, 259}


@pytest.fixture(scope="module")
def multiplex(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A radio programme of two streams before a television programme of two."""
    path = tmp_path_factory.mktemp("ts") / "clip.ts"
    inputs = [*burst(seconds=1), *picture(seconds=1), *burst(seconds=1), *burst(seconds=1)]
    maps = [part for number in range(4) for part in ("-map", str(number))]
    programs = ("-program", "program_num=7:st=0:st=2", "-program", "program_num=9:st=1:st=3")
    ffmpeg(*inputs, *maps, "-c:a", "mp2", "-c:v", "mpeg2video", *programs, path)
    return path


def test_streams_belong_to_their_programmes(multiplex: Path) -> None:
    """By packet identifier, as libavformat numbers streams too."""
    assert read_programs(multiplex) == {256: {7}, 258: {7}, 257: {9}, 259: {9}}


@pytest.mark.parametrize("form", ["m2ts", "parity", "begins within a packet"])
def test_other_forms_of_packets(multiplex: Path, tmp_path: Path, form: str) -> None:
    """Packets of 192 and 204 bytes, and a recording that begins anywhere."""
    content = multiplex.read_bytes()
    packets = [content[at : at + 188] for at in range(0, len(content), 188)]
    other = {
        "m2ts": b"".join(bytes(4) + packet for packet in packets),
        "parity": b"".join(packet + bytes(16) for packet in packets),
        "begins within a packet": b"\0G" * 50 + content,
    }
    assert read_programs(bytes_of(tmp_path / "clip.ts", other[form])) == read_programs(multiplex)


@pytest.mark.parametrize("content", [b"", b"G", b"G" * 10_000, bytes(10_000), b"\x47\x40\x00\x1f\xff" + b"\xff" * 5000])
def test_no_tables(tmp_path: Path, content: bytes) -> None:
    """What holds none belongs to no programme."""
    assert read_programs(bytes_of(tmp_path / "clip.ts", content)) == {}


def test_broken_tables(multiplex: Path, tmp_path: Path) -> None:
    """Whatever a table says, nothing is read beyond it."""
    content = bytearray(multiplex.read_bytes())
    for at in range(0, len(content), 7):
        content[at] ^= 0xFF if content[at] != 0x47 else 0
    assert isinstance(read_programs(bytes_of(tmp_path / "clip.ts", bytes(content))), dict)

"""Several edits in an MP4, as programs write them that cut without coding anew (ISO/IEC 14496-12, 8.6.6)."""

import struct
from collections.abc import Iterator


def boxes(content: bytes, start: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    """Kind and bytes of each box."""
    while start < end:
        size, kind = struct.unpack(">I4s", content[start : start + 8])
        yield kind, content[start : start + size]
        start += size


def box(kind: bytes, content: bytes) -> bytes:
    """A box."""
    return struct.pack(">I4s", 8 + len(content), kind) + content


def with_edits(content: bytes, edits: list[tuple[float, float]]) -> bytes:
    """An MP4 whose index comes last, edited: (start, seconds) of each part that is shown, in its place."""
    parts = list(boxes(content, 0, len(content)))
    assert parts[-1][0] == b"moov"
    total, moov = sum(seconds for _, seconds in edits), b""
    for kind, part in boxes(parts[-1][1], 8, len(parts[-1][1])):
        if kind == b"mvhd":
            clock = struct.unpack(">I", part[20:24])[0]
            moov += part[:24] + struct.pack(">I", round(total * clock)) + part[28:]
        elif kind == b"trak":
            track, ticks = b"", struct.unpack(">I", part[part.index(b"mdhd") + 16 : part.index(b"mdhd") + 20])[0]
            delay = 1024 if b"soun" in part else 0
            for inner, bytes_ in boxes(part, 8, len(part)):
                entries = b"".join(
                    struct.pack(">IiI", round(seconds * clock), delay + round(start * ticks), 0x10000)
                    for start, seconds in edits
                )
                listed = box(b"edts", box(b"elst", struct.pack(">II", 0, len(edits)) + entries))
                track += listed if inner == b"edts" else bytes_
            moov += box(b"trak", track)
        else:
            moov += part
    return b"".join(part for _, part in parts[:-1]) + box(b"moov", moov)

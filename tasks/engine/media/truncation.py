"""Where a file's own structure says that it should end: a recording that was killed ends before.

One rule for every container: the last element (box, cluster, chunk, page) reaches beyond the file. Streams made to be
joined anywhere, such as MPEG-TS and MP3, have no such element: where they end is their end.

Sources: RIFF (Microsoft, 1991), RF64 (EBU Tech 3306), EBML (RFC 8794), ISO/IEC 14496-12, Ogg (RFC 3533), AIFF (Apple,
1989), AU (Sun, 1992), RealMedia (RealNetworks, 1998), GXF (SMPTE ST 360).
"""

import mmap
from collections.abc import Iterator
from pathlib import Path

SIZE_SLACK_BYTES = 64
"""Some writers of chunks count a header twice or forget a padding byte; a real cut is longer."""

UNKNOWN_RIFF_SIZE = 0xFFFFFF00
"""Sizes from here on are written by programs that could not seek back, and mean nothing."""

PLACEHOLDERS = range(0x7FFFF000, 0x80001000)
"""Likewise: sox writes 2 GiB less a page, arecord 2 GiB, more or less the header's own bytes."""

UNKNOWN_LONG_SIZE = 1 << 62
EBML_ID, SEGMENT_ID = bytes.fromhex("1A45DFA3"), 0x18538067
WAVE64_ID = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"
ASF_HEADER, ASF_DATA, ASF_FILE = map(
    bytes.fromhex,
    (
        "3026B2758E66CF11A6D900AA0062CE6C",
        "3626B2758E66CF11A6D900AA0062CE6C",
        "A1DCAB8C47A9CF118EE400C00C205365",
    ),
)
ASF_FLAGS, ASF_LIVE = 88, 1
"""Where the file's properties say that it is a broadcast, whose sizes mean nothing."""

MXF_PARTITION = bytes.fromhex("060E2B34020501010D0102010102")
MXF_KEY, MXF_FOOTER = 17, 24
"""Bytes of a key with the first of its length, and where a partition says at which byte the last one begins."""

GXF_LEADER, GXF_HEADER = b"\0\0\0\0\1", 16
REAL_HEADER, REAL_DATA_HEADER = 7, 18
"""Bytes of a chunk without anything in it: kind and size, of packets also how many there are."""

BOXES = (b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"mfra", b"sidx", b"emsg", b"free", b"skip", b"wide", b"udta")
PAGE_HEADER, LARGEST_PAGE = 27, 27 + 255 + 255 * 255


def declared_size(path: Path) -> int:
    """Return the bytes that a file has by its own structure: more than are there where it was cut, 0 if unknown.

    Raises:
        OSError: it cannot be read.
        ValueError: it is empty.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content[:4] == EBML_ID:
            return _elements(content)
        if content[4:8] in BOXES:
            return _boxes(content)
        if content[:4] == b"OggS":
            return _pages(content)
        if content[:4] == b"caff":
            return _core_audio(content)
        if content[:16] == ASF_HEADER:
            return _objects(content)
        walk = next((walk for magic, walk in WALKS.items() if content[: len(magic)] == magic), _chunks)
        size = walk(content)
        return size if size > len(content) + SIZE_SLACK_BYTES else min(size, len(content))


def has_index(path: Path) -> bool:
    """Tell whether a file can be read from what is there: MP4 and MOV need their `moov`, which cameras write last.

    Raises:
        OSError: it cannot be read.
        ValueError: it is empty.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        ends = [*_box_ends(content)] if content[4:8] in BOXES else []
        return not ends or any(kind in (b"moov", b"moof") and end <= len(content) for kind, end in ends)


def _chunks(content: mmap.mmap) -> int:
    """Read the size that stands in front of RIFF, RF64, Wave64, AIFF and AU."""
    kind = content[:4]
    if kind in (b"RIFF", b"FORM"):
        size = int.from_bytes(content[4:8], "little" if kind == b"RIFF" else "big")
        return 0 if size >= UNKNOWN_RIFF_SIZE or size in PLACEHOLDERS else size + 8
    if kind == b".snd":
        size = int.from_bytes(content[8:12], "big")
        return 0 if size >= UNKNOWN_RIFF_SIZE else int.from_bytes(content[4:8], "big") + size
    if kind == b"RF64" or content[:16] == WAVE64_ID:
        at, header = (20, 8) if kind == b"RF64" else (16, 0)
        size = int.from_bytes(content[at : at + 8], "little")
        return 0 if size >= UNKNOWN_LONG_SIZE else size + header
    return 0


def _boxes(content: mmap.mmap) -> int:
    """Return the end of the last box of ISO base media; 0 where it has none, or none that means anything."""
    return next((end for _, end in reversed([*_box_ends(content)])), 0)


def _box_ends(content: mmap.mmap) -> Iterator[tuple[bytes, int]]:
    """Walk over the boxes: kind and end of each; what is no box after them is somebody's own and means nothing."""
    at = 0
    while at < len(content):
        size, kind, header = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8], 8
        if size == 1:
            size, header = int.from_bytes(content[at + 8 : at + 16], "big"), 16
        unknown = kind not in BOXES and at + size > len(content)
        at = 0 if unknown or size < header else at + size  # a size of 0: up to the end
        yield kind, at
        if not at:
            return


def _elements(content: mmap.mmap) -> int:
    """Walk over the elements of Matroska; those of unknown size, as live recordings have, are walked into."""
    at = 0
    while at < len(content):
        kind, width = _number(content, at)
        size, length = _number(content, at + width, value=True)
        if not width or not length:
            return 0
        inside = at + width + length
        unknown = size == (1 << 7 * length) - 1
        if kind == SEGMENT_ID and not unknown:
            return inside + size
        at = inside if unknown else inside + size
    return at


def _number(content: mmap.mmap, at: int, *, value: bool = False) -> tuple[int, int]:
    """Return a variable-length number at an offset and its bytes, without its length marker where a value is wanted."""
    first = content[at] if at < len(content) else 0
    length = 9 - first.bit_length() if first else 0
    number = int.from_bytes(content[at : at + length], "big")
    return (number & ((1 << 7 * length) - 1) if value and length else number), length


def _pages(content: mmap.mmap) -> int:
    """Return the end of the last page of Ogg."""
    at = content.rfind(b"OggS\0", max(0, len(content) - 2 * LARGEST_PAGE))
    body = at + PAGE_HEADER
    if body > len(content):
        return body
    segments = content[body - 1] if at >= 0 else 0
    return body + segments + sum(content[body : body + segments]) if at >= 0 else 0


def _core_audio(content: mmap.mmap) -> int:
    """Return the end of the data chunk of Core Audio; 0 where it is unknown, written as -1."""
    at = 8
    while len(content) >= at + 12 and content[at : at + 4] != b"data":
        at += 12 + max(0, int.from_bytes(content[at + 4 : at + 12], "big", signed=True))
    size = int.from_bytes(content[at + 4 : at + 12], "big", signed=True)
    return 0 if size < 0 else at + 12 + size


def _objects(content: mmap.mmap) -> int:
    """Return the end of the data of ASF, its last object but for an index (ASF specification, 2 and 3.2)."""
    properties = content.find(ASF_FILE, 0, int.from_bytes(content[16:24], "little"))
    if properties >= 0 and content[properties + ASF_FLAGS : properties + ASF_FLAGS + 1] == bytes([ASF_LIVE]):
        return 0
    at = 0
    while content[at : at + 16] in (ASF_HEADER, ASF_DATA):
        size = int.from_bytes(content[at + 16 : at + 24], "little")
        if not 24 <= size < UNKNOWN_LONG_SIZE:  # noqa: PLR2004  # an object's own header
            return 0
        at += size
    return at


def _partitions(content: mmap.mmap) -> int:
    """Return the end of what MXF has from its footer on; 0 where none was written yet (SMPTE ST 377-1, 7.1)."""
    value = MXF_KEY + _ber(content, 0)[0] + MXF_FOOTER
    at = footer = int.from_bytes(content[value : value + 8], "big")
    while at and (at == footer or at < len(content)):
        width, length = _ber(content, at)
        at += MXF_KEY + width + length
    return at


def _ber(content: mmap.mmap, at: int) -> tuple[int, int]:
    """Return how many more bytes a length behind a key has, and the length (ITU-T X.690, 8.1.3)."""
    first = content[at + MXF_KEY - 1] if at + MXF_KEY <= len(content) else 0
    width = max(0, first - 128)
    return width, int.from_bytes(content[at + MXF_KEY : at + MXF_KEY + width], "big") if width else first


def _real_media(content: mmap.mmap) -> int:
    """Return the end of the packets of RealMedia; 0 where their number was never written."""
    at = 0
    while (kind := content[at : at + 4]) in (b".RMF", b"PROP", b"CONT", b"MDPR", b"DATA"):
        size = int.from_bytes(content[at + 4 : at + 8], "big")
        if not (REAL_DATA_HEADER if kind == b"DATA" else REAL_HEADER) < size < UNKNOWN_RIFF_SIZE:
            return 0
        at += size
    return at


def _gxf_packets(content: mmap.mmap) -> int:
    """Return the end of the last packet of GXF (SMPTE ST 360, 5.1)."""
    at = 0
    while content[at : at + 5] == GXF_LEADER:
        if at + GXF_HEADER > len(content):
            return at + GXF_HEADER
        at += max(GXF_HEADER, int.from_bytes(content[at + 6 : at + 10], "big"))
    return at


WALKS = {MXF_PARTITION: _partitions, b".RMF": _real_media, GXF_LEADER: _gxf_packets}
"""Kinds of file whose elements are walked over, by how they begin."""

"""Which programmes of a transport stream its streams belong to, read from its own tables.

A multiplex carries several programmes: the sound of a radio must not end up under a television programme's picture.
PyAV does not hand on libavformat's programmes. Source: ISO/IEC 13818-1, 2.4.3 and 2.4.4.
"""

from collections.abc import Iterator
from pathlib import Path

PACKET, SYNC, NULL_PID = 188, 0x47, 0x1FFF
BEGINS, HAS_ADAPTATION, HAS_PAYLOAD = 0x40, 0x20, 0x10
STRIDES = (188, 192, 204)
"""Bytes from one packet to the next: plain, with a time before each (M2TS), with parity behind each."""

READ_BYTES = 16 << 20
"""From the start of the file: the tables are repeated at least every half second, and 200 Mbit/s are out of reach."""

PROGRAM_ASSOCIATION, PROGRAM_MAP = 0, 2
"""Table identifiers."""

FIRST_STREAM = 12
"""Bytes into a map, where it describes no programme."""


def read_programs(path: Path) -> dict[int, set[int]]:
    """Return the numbers of the programmes of each stream, by its packet identifier; empty where there are no tables.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(READ_BYTES)
    by_pid: dict[int, list[bytes]] = {}
    for packet in _packets(content):
        by_pid.setdefault(int.from_bytes(packet[1:3], "big") & NULL_PID, []).append(packet)
    maps = {pid for section in _sections(by_pid.get(0, [])) for pid in _maps(section)}
    programs: dict[int, set[int]] = {}
    for pid in maps:
        for section in _sections(by_pid.get(pid, [])):
            for stream in _streams(section):
                programs.setdefault(stream, set()).add(int.from_bytes(section[3:5], "big"))
    return programs


def _packets(content: bytes) -> Iterator[bytes]:
    """Yield the packets, from the first that others follow."""
    for start in range(min(len(content), 2 * max(STRIDES))):
        for stride in STRIDES:
            marks = content[start : start + 5 * stride : stride]
            if len(marks) > 1 and set(marks) == {SYNC}:
                yield from (content[at : at + PACKET] for at in range(start, len(content) - PACKET + 1, stride))
                return


def _sections(packets: list[bytes]) -> Iterator[bytes]:
    """Yield the sections in the packets of one stream, put together again; a broken one is left out."""
    section = b""
    for packet in packets:
        if packet[0] != SYNC or not packet[3] & HAS_PAYLOAD:
            continue
        payload = packet[5 + packet[4] if packet[3] & HAS_ADAPTATION else 4 :]
        if packet[1] & BEGINS and payload:  # behind a pointer; the end of an earlier section may lie before it
            yield from _whole(section + payload[1 : 1 + payload[0]])
            section = payload[1 + payload[0] :]
        elif section:
            section += payload
        if len(section) >= _length(section):
            yield from _whole(section)
            section = b""


def _whole(section: bytes) -> Iterator[bytes]:
    if len(section) >= max(_length(section), 8):
        yield section[: _length(section) - 4]  # the checksum is left out


def _length(section: bytes) -> int:
    """Return the bytes of a section that begins here; a length that is not there yet counts as too long."""
    return 3 + (int.from_bytes(section[1:3], "big") & 0xFFF)


def _maps(section: bytes) -> Iterator[int]:
    """Yield the packet identifiers of the programmes' maps."""
    if section[0] == PROGRAM_ASSOCIATION:
        for at in range(8, len(section) - 3, 4):
            if any(section[at : at + 2]):  # number 0 is the network's information
                yield int.from_bytes(section[at + 2 : at + 4], "big") & NULL_PID


def _streams(section: bytes) -> Iterator[int]:
    """Yield the packet identifiers of a programme's streams."""
    if section[0] != PROGRAM_MAP or len(section) < FIRST_STREAM:
        return
    at = FIRST_STREAM + (int.from_bytes(section[10:12], "big") & 0xFFF)
    while at + 5 <= len(section):
        yield int.from_bytes(section[at + 1 : at + 3], "big") & NULL_PID
        at += 5 + (int.from_bytes(section[at + 3 : at + 5], "big") & 0xFFF)

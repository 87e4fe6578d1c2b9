"""Bits and units of coded video, as far as headers need them."""

from collections.abc import Iterator

UNIT_BYTES = 512
"""How much of a unit is looked at: what is read of it comes first."""

START = b"\0\0\1"
ESCAPED = b"\0\0\3"


class Bits:
    """Bits of a header, most significant first."""

    def __init__(self, data: bytes) -> None:
        self.value, self.left = int.from_bytes(data, "big"), 8 * len(data)

    def read(self, count: int) -> int:
        """Read an unsigned number of so many bits.

        Raises:
            ValueError: fewer are left.
        """
        self.left -= count
        if self.left < 0:
            raise ValueError("the header ends too early")
        return self.value >> self.left & ((1 << count) - 1)

    def golomb(self) -> int:
        """Read an unsigned Exp-Golomb number: ue(v), clause 9.1 of H.264, 9.2 of HEVC."""
        zeros = 0
        while not self.read(1):
            zeros += 1
        return (1 << zeros) - 1 + self.read(zeros)

    def signed_golomb(self) -> int:
        """Read a signed one: se(v)."""
        code = self.golomb()
        return (code + 1) // 2 if code % 2 else -code // 2


def units(data: bytes, length_bytes: int) -> Iterator[bytes]:
    """Yield the first `UNIT_BYTES` of each unit, without emulation prevention bytes; never an empty one.

    Args:
        data: a packet.
        length_bytes: of the length before each unit, as in MP4; 0 where start codes stand between them (Annex B).
    """
    start = length_bytes or _behind_start(data, 0)
    while 0 < start < len(data):
        if length_bytes:
            end = start + int.from_bytes(data[start - length_bytes : start], "big")
            following = end + length_bytes
        else:
            following = _behind_start(data, start)
            end = following - len(START) if following else len(data)
        if unit := data[start : min(end, start + UNIT_BYTES)].replace(ESCAPED, b"\0\0"):
            yield unit
        start = following


def _behind_start(data: bytes, at: int) -> int:
    """Return the place behind the next start code; 0 where there is none."""
    found = data.find(START, at)
    return 0 if found < 0 else found + len(START)

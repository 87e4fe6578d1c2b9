"""A tiny H.264 stream of separate field pictures (PAFF), as AVCHD camcorders store 1080i: no free encoder writes one.

Every macroblock is I_PCM, so there is nothing to encode. Clauses are those of ITU-T H.264.
"""

import re
from pathlib import Path

WIDTH, HEIGHT = 4, 4
"""Of a frame, in macroblocks."""


class BitWriter:
    """Collects bits, most significant first."""

    def __init__(self) -> None:
        self.bits = ""

    def fixed(self, *fields: tuple[int, int]) -> None:
        """Add (bits, value) pairs: u(n)."""
        self.bits += "".join(f"{value:0{count}b}" for count, value in fields if count)

    def golomb(self, *values: int) -> None:
        """Add Exp-Golomb numbers: ue(v)."""
        for value in values:
            self.fixed((2 * (value + 1).bit_length() - 1, value + 1))

    def align(self) -> None:
        """Fill the byte with zeros."""
        self.fixed((-len(self.bits) % 8, 0))

    def unit(self, header: int) -> bytes:
        """Return a NAL unit with start code and emulation prevention (7.3.1), after the trailing bits."""
        self.fixed((1, 1))
        self.align()
        payload = int(self.bits, 2).to_bytes(len(self.bits) // 8, "big")
        return b"\0\0\0\1" + bytes([header]) + re.sub(rb"\0\0(?=[\0-\3])", lambda _: b"\0\0\3", payload)


def parameter_sets(fields_a_second: int, ticks: int) -> bytes:
    """Return sequence and picture parameter set: Main profile, frames of fields, one reference frame (7.3.2)."""
    sequence = BitWriter()
    sequence.fixed((8, 77), (8, 0), (8, 30))
    sequence.golomb(0, 0, 0, 4, 1)
    sequence.fixed((1, 0))
    sequence.golomb(WIDTH - 1, HEIGHT // 2 - 1)
    # frame_mbs_only_flag 0, no MBAFF; VUI with the timing alone.
    sequence.fixed((1, 0), (1, 0), (1, 1), (1, 0), (1, 1), (4, 0), (1, 1), (32, ticks), (32, fields_a_second), (1, 1))
    sequence.fixed((4, 0))
    picture = BitWriter()
    picture.golomb(0, 0)
    picture.fixed((2, 0))
    picture.golomb(0, 0, 0)
    picture.fixed((3, 0))
    picture.golomb(0, 0, 0)
    picture.fixed((1, 1), (2, 0))
    return sequence.unit(0x67) + picture.unit(0x68)


def coded_picture(number: int, field: int | None) -> bytes:
    """Return a picture of one slice: the top field (0, an IDR), the bottom field (1), or a whole frame (None)."""
    first = field != 1
    bits = BitWriter()
    bits.golomb(0, 7, 0)
    bits.fixed((4, 0), *([(1, 0)] if field is None else [(1, 1), (1, field)]))
    if first:
        bits.golomb(number % 2)
    bits.fixed((8, field or 0), (2 if first else 1, 0))
    bits.golomb(0, 1)
    for block in range(WIDTH * HEIGHT // (1 if field is None else 2)):
        bits.golomb(25)
        bits.align()
        bits.fixed(*[(8, 16 + (number * 3 + block * 7) % 200)] * 256, *[(8, 128)] * 128)
    return bits.unit(0x65 if first else 0x21)


def write_fields(path: Path, kinds: str, fields_a_second: int = 50, ticks: int = 1) -> Path:
    """Write one frame for each letter: `f` as two fields, `w` whole."""
    sets, delimiter = parameter_sets(fields_a_second, ticks), b"\0\0\0\1\x09\xf0"
    with path.open("wb") as file:
        for number, kind in enumerate(kinds):
            file.write(delimiter + sets + coded_picture(number, 0 if kind == "f" else None))
            if kind == "f":
                file.write(delimiter + coded_picture(number, 1))
    return path

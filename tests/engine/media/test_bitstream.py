"""Bits and units of coded video."""

import pytest

from tasks.engine.media.bitstream import UNIT_BYTES, Bits, units


def test_numbers_are_read_bit_by_bit() -> None:
    """Fixed widths, and Exp-Golomb codes of table 9-2 of H.264: 1, 010, 011, 00100; signed 1, -1, 2."""
    bits = Bits(bytes([0b101_1_010_0, 0b11_00100_0, 0b10_011_001, 0b00_000000]))

    assert (bits.read(3), bits.golomb(), bits.golomb(), bits.golomb(), bits.golomb()) == (5, 0, 1, 2, 3)
    assert [bits.signed_golomb() for _ in range(3)] == [1, -1, 2]


def test_a_header_that_ends_too_early_is_an_error() -> None:
    """Nothing is made up behind the last bit, in a number or in its length."""
    for read in (lambda: Bits(b"\x80").read(9), Bits(b"\0\0").golomb, Bits(b"").golomb):
        with pytest.raises(ValueError, match="too early"):
            read()


@pytest.mark.parametrize("length_bytes", [0, 1, 2, 4])
def test_units_are_found_behind_start_codes_and_lengths(length_bytes: int) -> None:
    """Each unit's beginning, without emulation prevention bytes; a long one is cut."""
    stored = [b"\x67abc", b"\x65\0\0\3\1", b"\x41" + bytes(2 * UNIT_BYTES if length_bytes != 1 else 100)]
    if not length_bytes:
        stored.pop()
    marks = [len(unit).to_bytes(length_bytes, "big") if length_bytes else b"\0\0\0\1" for unit in stored]
    data = b"".join(mark + unit for mark, unit in zip(marks, stored, strict=True))
    found = list(units(data, length_bytes))

    # The zero before a start code is no part of the unit, and does no harm.
    assert found[:2] == [b"\x67abc" if length_bytes else b"\x67abc\0", b"\x65\0\0\1"]
    assert all(len(unit) <= UNIT_BYTES for unit in found)
    assert len(found) == len(stored)


@pytest.mark.parametrize("length_bytes", [0, 4])
@pytest.mark.parametrize("data", [b"", b"\0", b"\0\0\1", b"\0\0\0\0", b"\xff\xff\xff\xff", bytes(9)])
def test_what_holds_no_unit_ends(length_bytes: int, data: bytes) -> None:
    """Lengths of zero, lengths beyond the packet and start codes without a unit yield nothing, and no endless loop."""
    assert list(units(data, length_bytes)) == []

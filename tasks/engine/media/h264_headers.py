"""Read the headers of H.264: is each packet one frame that a decoder shows, or a field of one?"""

from collections.abc import Iterator

from tasks.engine.media.bitstream import START, Bits, units

HIGH_PROFILES = (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135)
"""Those whose sequence header holds the chroma format (7.3.2.1.1)."""

CHANGES = "its sequence header changes"
FIELDS = "pictures come as separate fields"
SLICE_BYTES = 32


class H264:
    """Pictures of H.264: a frame may come as two fields, each with a packet of its own (PAFF)."""

    PICTURES, SEQUENCE, PICTURE = (1, 5), 7, 8
    """nal_unit_type of slices that may begin a picture, and of the two parameter sets."""

    def __init__(self, extradata: bytes) -> None:
        stored = extradata[:1] == b"\1"
        self.length_bytes = (extradata[4] & 3) + 1 if stored else 0
        self.sequences: dict[int, bytes] = {}
        self.field_bits: dict[int, int | None] = {}
        self.pictures: dict[int, int] = {}
        for unit in _stored_sets(extradata) if stored else units(extradata, 0):
            self._parameters(unit)

    def __call__(self, data: bytes) -> str:
        """Say why a decoder must be asked; empty where the packet is one whole frame."""
        frames = 0
        for unit in units(data, self.length_bytes):
            if reason := self._parameters(unit):
                return reason
            if unit[0] & 31 in self.PICTURES and unit[1] & 128:  # first_mb_in_slice is 0
                frames += 1
                if any(self.field_bits.values()) and self._is_field(Bits(unit[1:SLICE_BYTES])):
                    return FIELDS
        return "" if frames == 1 else f"a packet holds {frames} pictures"

    def _parameters(self, unit: bytes) -> str:
        """Keep what slices need of a sequence or picture parameter set (7.3.2)."""
        if unit[0] & 31 == self.SEQUENCE:
            number = Bits(unit[4:]).golomb()
            if number not in self.sequences:
                self.sequences[number], self.field_bits[number] = unit, _bits_before_field_flag(unit)
            return "" if self.sequences[number] == unit else CHANGES
        if unit[0] & 31 == self.PICTURE:
            bits = Bits(unit[1:])
            self.pictures[bits.golomb()] = bits.golomb()
        return ""

    def _is_field(self, bits: Bits) -> bool:
        """Tell it by the slice header (7.3.3)."""
        bits.golomb()
        bits.golomb()
        before = self.field_bits[self.pictures[bits.golomb()]]
        return before is not None and bool(bits.read(before + 1) & 1)


def _stored_sets(extradata: bytes) -> Iterator[bytes]:
    """Yield the parameter sets of an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1)."""
    at = 5
    for mask in (31, 255):
        count, at = extradata[at] & mask, at + 1
        for _ in range(count):
            end = at + 2 + int.from_bytes(extradata[at : at + 2], "big")
            yield from units(START + extradata[at + 2 : end], 0)
            at = end


def _bits_before_field_flag(sequence: bytes) -> int | None:
    """Return how many bits of a slice header lie between its picture parameter set's number and field_pic_flag.

    None where every picture is a frame (7.3.2.1.1).
    """
    bits, planes = Bits(sequence[4:]), 0
    bits.golomb()
    if sequence[1] in HIGH_PROFILES:
        chroma = bits.golomb()
        planes = 2 * bits.read(1) if chroma == 3 else 0  # noqa: PLR2004  # 4:4:4, perhaps as three pictures
        bits.golomb()
        bits.golomb()
        bits.read(1)
        if bits.read(1):
            _skip_scaling_lists(bits, 12 if chroma == 3 else 8)  # noqa: PLR2004
    frame_number = bits.golomb() + 4
    _skip_picture_order(bits)
    bits.golomb()
    bits.read(1)
    bits.golomb()
    bits.golomb()
    return None if bits.read(1) else planes + frame_number


def _skip_scaling_lists(bits: Bits, count: int) -> None:
    for number in range(count):
        if not bits.read(1):
            continue
        last = following = 8
        for _ in range(16 if number < 6 else 64):  # noqa: PLR2004  # six lists for 4x4 come first
            following = (last + bits.signed_golomb()) % 256 if following else 0
            last = following or last


def _skip_picture_order(bits: Bits) -> None:
    kind = bits.golomb()
    if kind == 0:
        bits.golomb()
    elif kind == 1:
        bits.read(1)
        for _ in range(2):
            bits.golomb()
        for _ in range(bits.golomb()):
            bits.golomb()

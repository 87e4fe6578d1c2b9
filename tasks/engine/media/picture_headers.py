"""Read the headers of pictures, packet by packet: is each packet one frame that a decoder shows?

Where one is not, that is no error: fields have a packet each, and pictures may be hidden. It is a reason to decode.
"""

from collections.abc import Callable, Iterator

from tasks.engine.media.bitstream import START, Bits, units
from tasks.engine.media.h264_headers import CHANGES, FIELDS, H264, SLICE_BYTES


class Hevc:
    """Pictures of HEVC: the leading ones of a splice are skipped, others may be marked as not for output."""

    SEQUENCE, PICTURE, ENDS, SPLICES, RANDOM_ACCESS, SLICES = 33, 34, (36, 37), (16, 17, 18), range(16, 24), range(32)
    """nal_unit_type, table 7-1."""

    def __init__(self, extradata: bytes) -> None:
        stored = extradata[:1] == b"\1"
        self.length_bytes = (extradata[21] & 3) + 1 if stored else 0
        self.sequences: dict[bytes, bytes] = {}
        self.first, self.ended, self.may_hide = True, False, False
        for unit in _stored_arrays(extradata) if stored else units(extradata, 0):
            self._parameters(unit)

    def __call__(self, data: bytes) -> str:
        """Say why a decoder must be asked; empty where the packet is one whole frame."""
        frames = 0
        for unit in units(data, self.length_bytes):
            kind = unit[0] >> 1 & 63
            if unit[0] & 1 or unit[1] >> 3:  # of a second layer: another view, an alpha plane
                continue
            if reason := self._parameters(unit):
                return reason
            if kind in self.SLICES and unit[2] & 128:  # first_slice_segment_in_pic_flag
                frames += 1
                if reason := self._reason(kind, unit):
                    return reason
                self.first = False
            self.ended |= kind in self.ENDS
        return "" if frames == 1 else f"a packet holds {frames} pictures"

    def _reason(self, kind: int, unit: bytes) -> str:
        # no_output_of_prior_pics_flag follows in pictures of random access: frames still to be shown are dropped.
        if self.ended or (not self.first and (kind in self.SPLICES or (kind in self.RANDOM_ACCESS and unit[2] & 64))):
            return "parts are spliced"
        return "pictures may be hidden" if self.may_hide else ""

    def _parameters(self, unit: bytes) -> str:
        """Look at a sequence or picture parameter set (7.3.2)."""
        kind = unit[0] >> 1 & 63
        if kind == self.SEQUENCE:
            return "" if self.sequences.setdefault(unit[2:3], unit) == unit else CHANGES
        if kind == self.PICTURE:
            bits = Bits(unit[2:SLICE_BYTES])
            bits.golomb()
            bits.golomb()
            self.may_hide |= bool(bits.read(2) & 1)  # output_flag_present_flag
        return ""


def _stored_arrays(extradata: bytes) -> Iterator[bytes]:
    """Yield the parameter sets of an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15, 8.3.3.1)."""
    at = 23
    for _ in range(extradata[22]):
        count, at = int.from_bytes(extradata[at + 1 : at + 3], "big"), at + 3
        for _ in range(count):
            end = at + 2 + int.from_bytes(extradata[at : at + 2], "big")
            yield from units(START + extradata[at + 2 : end], 0)
            at = end


class Mpeg2:
    """Pictures of MPEG-1 and MPEG-2 (ISO/IEC 13818-2, 6.2): a frame may come as two fields."""

    SEQUENCE, PICTURE, EXTENSION = 0xB3, 0, 0xB5
    PICTURE_CODING = 8
    """extension_start_code_identifier, in the first four bits of an extension."""
    FRAME = 3
    """picture_structure."""

    def __init__(self, _extradata: bytes) -> None:
        self.size = b""

    def __call__(self, data: bytes) -> str:
        """Say why a decoder must be asked; empty where the packet is one whole frame."""
        frames = 0
        for unit in units(data, 0):
            if unit[0] == self.SEQUENCE:
                self.size = self.size or unit[1:4]
                if unit[1:4] != self.size:
                    return CHANGES
            frames += unit[0] == self.PICTURE
            coding = unit[0] == self.EXTENSION and unit[1] >> 4 == self.PICTURE_CODING
            if coding and unit[3] & 3 != self.FRAME:
                return FIELDS
        return "" if frames == 1 else f"a packet holds {frames} pictures"


class Vp9:
    """Frames of VP9 (bitstream specification, 6.2 and annex B): some are hidden, in a superframe with the next."""

    def __init__(self, _extradata: bytes) -> None:
        pass

    def __call__(self, data: bytes) -> str:
        """Say why a decoder must be asked; empty where the packet shows one frame."""
        shown = sum(self._is_shown(frame) for frame in self._frames(data))
        return "" if shown == 1 else f"a packet shows {shown} frames"

    @staticmethod
    def _frames(data: bytes) -> Iterator[bytes]:
        """Yield the beginning of each frame, by the index at the end of a superframe."""
        count, size_bytes = (data[-1] & 7) + 1, (data[-1] >> 3 & 3) + 1
        index = len(data) - 2 - count * size_bytes
        if data[-1] >> 5 != 6 or index < 0 or data[index] != data[-1]:  # noqa: PLR2004  # superframe_marker
            yield data[:SLICE_BYTES]
            return
        at = 0
        for k in range(count):
            yield data[at : at + SLICE_BYTES]
            first = index + 1 + k * size_bytes
            at += int.from_bytes(data[first : first + size_bytes], "little")

    @staticmethod
    def _is_shown(frame: bytes) -> bool:
        bits = Bits(frame)
        bits.read(2)
        profile = bits.read(1) + 2 * bits.read(1)
        if profile == 3:  # noqa: PLR2004  # a reserved bit follows
            bits.read(1)
        return bool(bits.read(1)) or bool(bits.read(2) & 1)  # show_existing_frame, frame_type, show_frame


def _plain(_data: bytes) -> str:
    return ""


def _always_plain(_extradata: bytes) -> Callable[[bytes], str]:
    return _plain


READERS: dict[str, Callable[[bytes], Callable[[bytes], str]]] = {
    "h264": H264,
    "hevc": Hevc,
    "mpeg1video": Mpeg2,
    "mpeg2video": Mpeg2,
    "vp9": Vp9,
    "libvpx-vp9": Vp9,
    # A temporal unit shows one frame (AV1 7.5), hidden ones come inside of it; VP8's hidden ones are known by a bit.
    **dict.fromkeys(("av1", "libdav1d", "libaom-av1", "vp8", "libvpx"), _always_plain),
    # Every picture stands alone.
    **dict.fromkeys(
        ("mjpeg", "prores", "dnxhd", "ffv1", "huffyuv", "ffvhuff", "utvideo", "rawvideo", "v210", "dvvideo", "png"),
        _always_plain,
    ),
    **dict.fromkeys(("jpeg2000", "cfhd"), _always_plain),
}
"""By codec: from its extradata to what reads its packets. Of other codecs no packet is known to be a frame."""

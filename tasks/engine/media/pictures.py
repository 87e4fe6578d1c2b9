"""Which frames a decoder shows: by the packets where they can be trusted, else by decoding all of them.

Packets are trusted where the header of each says that it is one frame, and where decoding agrees: of the first group of
pictures, of groups at doubling distances, and of the last one.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain, pairwise
from typing import Any

import av

from tasks.engine.media.picture_headers import READERS

VIDEO_DECODERS = (
    "h264,hevc,vp8,vp9,libvpx,libvpx-vp9,av1,libdav1d,libaom-av1,mpeg1video,mpeg2video,mpeg4,msmpeg4v1,msmpeg4v2,"
    "msmpeg4,wmv1,wmv2,wmv3,vc1,h263,h263p,flv,theora,vp6,vp6f,rv10,rv20,rv30,rv40,svq1,svq3,cinepak,mjpeg,prores,"
    "dnxhd,ffv1,huffyuv,ffvhuff,utvideo,rawvideo,v210,dvvideo,png,jpeg2000,cfhd,dirac,qtrle"
)
"""Accepted video decoders. No other one runs on untrusted input: there every packet counts as a frame."""

CHECKED_PACKETS = 48
"""How much is decoded of a group within the video: leading pictures, the ones that may be missing, come first."""

UNREADABLE = (ValueError, KeyError, IndexError)
"""What readers of headers raise."""

HELD_PACKETS = 2000
HELD_BYTES = 256 << 20
"""Most that is kept of a group until it ends: of a longer one the end is not decoded."""


class PictureCheck:
    """Watches the packets of one video stream go by. Memory: one group of pictures.

    Attributes:
        reason: why packets are not frames; empty where they are.
        decodes: whether the decoder is accepted; every packet counts as a frame where it is not.
        dropped: packets in times (ticks) of leading pictures that a decoder cannot show, since it lacks what they need.
    """

    def __init__(self, stream: Any) -> None:  # noqa: ANN401  # PyAV's types have no buffer protocol
        self.reason = ""
        self.dropped: set[int] = set()
        self._group: list[Any] = []
        self._bytes = self._groups = 0
        self._has_key = False
        self.decodes = bool(stream.codec_context) and stream.codec_context.name in VIDEO_DECODERS.split(",")
        if not self.decodes:
            return
        self.context = prepared(stream)
        reader = READERS.get(self.context.name)
        try:
            self._read = reader(bytes(self.context.extradata or b"")) if reader else _unknown
        except UNREADABLE:
            self.reason = "a header cannot be read"

    def add(self, packet: Any, *, hidden: bool) -> None:  # noqa: ANN401  # as above
        """Look at the next packet; `hidden` where it is known to be none that is shown."""
        if self.reason or not self.decodes:
            return
        if packet.is_keyframe and self._has_key:
            self._end_group(CHECKED_PACKETS)
        self._has_key |= packet.is_keyframe
        self._bytes += packet.size
        if len(self._group) < HELD_PACKETS and self._bytes < HELD_BYTES:
            self._group.append((packet, hidden))
        elif not self._has_key:
            self.reason = "it begins within a group of pictures"
        if not hidden:
            self.reason = self.reason or self._header_reason(packet)
        if self.reason:
            self._group.clear()

    def _header_reason(self, packet: Any) -> str:  # noqa: ANN401  # as above
        if packet.is_corrupt or packet.pts is None:
            return "a packet is damaged" if packet.is_corrupt else "packets have no times"
        try:
            return self._read(bytes(packet))
        except UNREADABLE:
            return "a header cannot be read"

    def finish(self) -> None:
        """Look at the last group, to its end."""
        if not self.reason and self._group:
            self._end_group(len(self._group))

    def _end_group(self, packets: int) -> None:
        """Decode the group that ends, where it is one to be decoded."""
        number = self._groups
        if number & (number - 1) == 0 or packets == len(self._group):  # 0, 1, 2, 4, 8, …
            self._check(packets, first=number == 0)
        self._groups += 1
        self._group.clear()
        self._bytes = 0

    def _check(self, packets: int, *, first: bool) -> None:
        """Compare a group's packets with the frames decoded of them; leading pictures are the first group's matter."""
        key = next((k for k, (packet, _) in enumerate(self._group) if packet.is_keyframe), 0)
        fed = self._group[: key + packets]
        since = fed[key][0].pts
        visible = [packet.pts for packet, hidden in fed if not hidden]
        lead = {packet.pts for k, (packet, _) in enumerate(fed) if k < key or packet.pts < since}
        shown = [frame.pts for frame in decoded(self.context, (packet for packet, _ in fed))]
        if first:
            self.dropped = lead.intersection(visible).difference(shown)
        else:
            visible, shown = ([at for at in times if at not in lead] for times in (visible, shown))
        if sorted(shown) != sorted(at for at in visible if at not in self.dropped):
            self.reason = "decoding shows other frames than there are packets"


def _unknown(_data: bytes) -> str:
    return "packets of this codec may hold any number of frames"


def decoded(context: Any, packets: Iterable[Any]) -> Iterator[Any]:  # noqa: ANN401  # as above
    """Decode packets, those after damaged ones too; yield frames, and leave the decoder as new."""
    for packet in chain(packets, [None]):
        try:
            yield from context.decode(packet)
        except av.error.InvalidDataError:
            continue
    context.flush_buffers()


def decoded_times(container: Any, index: int, *, decode_order: bool = False) -> list[int | None]:  # noqa: ANN401
    """Decode a whole video stream; return the time of each frame in ticks, None where it has none.

    Args:
        container: as PyAV opened it.
        index: of the stream.
        decode_order: the container stores decoding times alone.
    """
    # Not by the list of streams: of FLV one may only be found on the way.
    packets = (packet for packet in demuxed(container) if packet.stream_index == index and packet.size)
    head = next(packets, None)
    if head is None:
        return []
    frames = decoded(prepared(head.stream), chain([head], packets))
    return _decoding_times(frames, head.duration or 1) if decode_order else _presentation_times(frames)


def _presentation_times(frames: Iterable[Any]) -> list[int | None]:
    """Return the time of each frame as ffprobe and ffmpeg do, by libavcodec's guess_correct_pts.

    Of presentation and decoding times those count that ran backwards less often so far: some demuxers make them up.
    Frames come in the order in which they are shown. So where the first presentation time that runs backwards makes
    decoding times count, the one before it was made up already: a cut leaves MPEG-PS's first picture without its own.
    """
    times: list[int | None] = []
    last: list[int | None] = [None, None]
    faults = [0, 0]
    for frame in frames:
        decoded_before, none_yet = last[1], faults == [0, 0]
        for k, (own, other) in enumerate(((frame.pts, frame.dts), (frame.dts, frame.pts))):
            faults[k] += own is not None and last[k] is not None and own <= last[k]
            last[k] = other if own is None else own
        presented = frame.dts is None or (frame.pts is not None and faults[0] <= faults[1])
        time = frame.pts if presented else frame.dts
        if none_yet and faults == [1, 0] and _rising([*times[-2:-1], decoded_before, time]):
            times[-1] = decoded_before
        times.append(time)
    return times


def _rising(times: list[int | None]) -> bool:
    known = [time for time in times if time is not None]
    return len(known) == len(times) and all(before < after for before, after in pairwise(known))


def _decoding_times(frames: Iterable[Any], duration: int) -> list[int | None]:
    """Return when the packet is decoded that lets each frame out; behind the last one they follow at its duration."""
    times: list[int | None] = []
    for frame in frames:
        before = times[-1] if times else None
        times.append(before + duration if frame.dts is None and before is not None else frame.dts)
    return times


def demuxed(container: Any) -> Iterator[Any]:  # noqa: ANN401  # as above
    """Yield a container's packets. At the end PyAV names every stream, and fails at one that appeared on the way."""
    with suppress(IndexError):
        yield from container.demux()


def prepared(stream: Any) -> Any:  # noqa: ANN401  # as above
    """Return the stream's decoder, not opened yet, set to count frames: how they look does not matter."""
    context = stream.codec_context
    context.thread_count = 1
    context.options = {"skip_loop_filter": "all"}
    return context

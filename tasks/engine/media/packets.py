"""Statistics of the packets of each stream: how many, when, and whether any was flagged as damaged."""

from array import array
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from av.stream import Disposition

from tasks.engine.media.limits import MediaLimits
from tasks.engine.media.pictures import PictureCheck, demuxed


@dataclass(slots=True)
class StreamStats:
    """Statistics of one stream; memory grows only by ``ticks``, 8 bytes per video frame.

    Attributes:
        stream: as PyAV opened it; all times are in units of its time base.
        decode_order: True where the container stores no presentation times, so that decoding times are all there is.
        drops_corrupt: True for sound off the air: a packet that reception spoiled, as the last one of most recordings,
            is no sound.
        check: of video: whether its packets are frames.
        packets: how many there are.
        shown: how many of them are seen or heard.
        corrupt: how many the demuxer flagged.
        ticks: presentation times of the shown video frames, in the order of the file.
        first: earliest shown time; None before there is one.
        end: end of the latest shown packet.
        gap: longest hole between two shown packets.
        last_dts: decoding time of the last packet.
        step_back: longest step back of the decoding times.
        after_corrupt: whether the last packet was corrupt, where those are dropped.
    """

    stream: Any
    decode_order: bool
    drops_corrupt: bool
    check: PictureCheck | None = None
    packets: int = 0
    shown: int = 0
    corrupt: int = 0
    ticks: "array[int]" = field(default_factory=lambda: array("q"))
    first: int | None = None
    end: int = 0
    gap: int = 0
    last_dts: int | None = None
    step_back: int = 0
    after_corrupt: bool = False

    def add(self, packet: Any) -> None:  # noqa: ANN401  # PyAV types its packets without the buffer protocol
        """Count one packet; those that only prime the decoder are not shown."""
        self.packets += 1
        self.corrupt += packet.is_corrupt
        # Between two parts of an edited recording lie packets, in any order, that only prime the decoder.
        if packet.dts is not None and not packet.is_discard:
            self.step_back = max(self.step_back, 0 if self.last_dts is None else self.last_dts - packet.dts)
            self.last_dts = packet.dts
        hidden = packet.is_discard or self._is_hidden(packet)
        if self.check:
            self.check.add(packet, hidden=hidden)
        if not hidden:
            self._show(packet.dts if self.decode_order else packet.pts, packet.duration or 0)

    def _is_hidden(self, packet: Any) -> bool:  # noqa: ANN401  # as above
        if self.drops_corrupt:
            # The one after a corrupt packet is its remainder, cut off by the parser, and flagged as sound.
            after, self.after_corrupt = self.after_corrupt, bool(packet.is_corrupt)
            return self.after_corrupt or after
        return codec_of(self.stream) == "vp8" and is_hidden_vp8(packet)

    def _show(self, at: int | None, duration: int) -> None:
        self.shown += 1
        if at is None:
            return
        if self.stream.type == "video":
            self.ticks.append(at)
        if self.first is None:
            self.first = self.end = at
        self.gap = max(self.gap, at - self.end)
        self.first, self.end = min(self.first, at), max(self.end, at + duration)

    @property
    def loses_times(self) -> bool:
        """Whether the presentation times cannot be told from the decoding times: frames out of order, not all alike."""
        reordered = self.decode_order and self.stream.codec_context.has_b_frames
        return bool(reordered) and len(set(np.diff(np.sort(self.ticks)).tolist())) > 1

    def drop_leading(self, dropped: AbstractSet[int]) -> None:
        """Leave out the packets of these times, in ticks, which come before the first frame that is shown."""
        if self.decode_order:  # by other times, but the same frames: nothing is shown before them
            self.set_frames(sorted(self.ticks)[len(dropped) :])
        else:
            self.set_frames([at for at in self.ticks if at not in dropped])

    def set_frames(self, times: Sequence[int | None]) -> None:
        """Put the frames that a decoder shows, with their times in ticks, in the place of the packets."""
        self.shown, self.ticks = len(times), array("q", [at for at in times if at is not None])
        self.first = min(self.ticks, default=None)

    def seconds(self, ticks: int | None) -> float:
        """Convert ticks of this stream's clock to seconds; 0 for None."""
        return float((ticks or 0) * (self.stream.time_base or 0))

    @property
    def start(self) -> float:
        """Seconds at which the stream begins to be seen, or to be heard once the encoder's delay is dropped."""
        stated = self.stream.start_time if self.stream.type == "audio" else None
        return self.seconds(self.first if stated is None else stated)


def codec_of(stream: Any) -> str:  # noqa: ANN401  # as above
    """Return the name of the stream's codec; empty where libavformat knows none, as for timecode and other data."""
    return str(stream.codec_context.name) if stream.codec_context else ""


def is_hidden_vp8(packet: Any) -> bool:  # noqa: ANN401  # as above
    """Tell whether VP8 never shows this reference picture: Matroska stores those like frames (RFC 6386, 9.1)."""
    return not memoryview(packet)[0] >> 4 & 1


def read_packets(container: Any, limits: MediaLimits, *, drop_corrupt: bool = False) -> list[StreamStats]:  # noqa: ANN401
    """Demux every packet; return the statistics of each stream, by stream index.

    Args:
        container: as PyAV opened it.
        limits: what is accepted.
        drop_corrupt: of every container as of MPEG-TS, leave corrupt packets of sound out.

    Raises:
        MediaError: more streams than the limit.
    """
    kind = container.format.name
    limits.check("streams", len(container.streams), Path(container.name).name)
    # What libavformat makes up for AVI includes the decoder's delay in the picture's times and not in the audio's.
    dropping = drop_corrupt or kind == "mpegts"
    streams = [StreamStats(s, kind == "avi", dropping and s.type == "audio") for s in container.streams]
    for stats in streams:
        if stats.stream.type == "video" and not is_cover(stats):
            stats.check = PictureCheck(stats.stream)
    for packet in demuxed(container):
        # An empty packet is PyAV's way of saying that a stream has ended; streams may still appear in a broadcast.
        if packet.size and packet.stream_index < len(streams):
            streams[packet.stream_index].add(packet)
    for stats in streams:
        if stats.check:
            stats.check.finish()
    return streams


def select_picture(streams: Sequence[StreamStats]) -> StreamStats | None:
    """Select the first video stream that moves, whichever is marked as default: that is what OpenCV opens.

    Beside sound, a single picture is its cover, and no video.
    """
    pictures = [stats for stats in streams if stats.stream.type == "video" and stats.shown and not is_cover(stats)]
    moving = [stats for stats in pictures if stats.shown > 1]
    sounds = any(stats.stream.type == "audio" and stats.shown for stats in streams)
    return next(iter(moving if moving or sounds else pictures), None)


def is_cover(stats: StreamStats) -> bool:
    """Tell whether a container calls a stream a picture that is attached to something else."""
    return bool(stats.stream.disposition & Disposition.attached_pic)


def other_default(streams: Sequence[StreamStats], picture: StreamStats | None) -> str:
    """Say where another video is the one that players show; nothing where there is none."""
    if picture is None or picture.stream.disposition & Disposition.default:
        return ""
    for stats in streams:
        if stats.stream.type == "video" and stats.shown > 1 and stats.stream.disposition & Disposition.default:
            found = f"stream {stats.stream.index}, another video, is marked as default"
            return f"frames are those of stream {picture.stream.index}, the first video: {found}"
    return ""

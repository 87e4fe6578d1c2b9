"""An account of the packets of each stream: how many, when, and whether any was flagged as damaged."""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from av.stream import Disposition

from tasks.engine.media.limits import MediaLimits


@dataclass(slots=True)
class StreamStats:
    """Running account of one stream, all times in its own ticks; grows only by ``ticks``, 8 bytes per video frame."""

    stream: Any
    decode_order: bool
    """True where the container stores no presentation times, so that decoding times are all there is."""

    drops_corrupt: bool
    """True for sound off the air: a packet that reception spoiled, as the last one of most recordings, is no sound."""

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
        if packet.dts is not None:
            self.step_back = max(self.step_back, 0 if self.last_dts is None else self.last_dts - packet.dts)
            self.last_dts = packet.dts
        if not (packet.is_discard or self._unseen(packet)):
            self._show(packet.dts if self.decode_order else packet.pts, packet.duration or 0)

    def _unseen(self, packet: Any) -> bool:  # noqa: ANN401  # as above
        if self.drops_corrupt:
            # The one after a corrupt packet is its remainder, cut off by the parser, and flagged as sound.
            after, self.after_corrupt = self.after_corrupt, bool(packet.is_corrupt)
            return self.after_corrupt or after
        return codec_of(self.stream) == "vp8" and hidden_vp8(packet)

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

    def seconds(self, ticks: int | None) -> float:
        """Ticks of this stream's clock as seconds; 0 for None."""
        return float((ticks or 0) * (self.stream.time_base or 0))

    @property
    def start(self) -> float:
        """Seconds at which the stream begins to be seen, or to be heard once the encoder's delay is dropped."""
        known = self.stream.start_time if self.stream.type == "audio" else None
        return self.seconds(self.first if known is None else known)


def codec_of(stream: Any) -> str:  # noqa: ANN401  # as above
    """Name of the stream's codec; empty where libavformat knows none, as for timecode and other data."""
    return str(stream.codec_context.name) if stream.codec_context else ""


def hidden_vp8(packet: Any) -> bool:  # noqa: ANN401  # as above
    """Is this packet a reference picture that VP8 never shows? Matroska stores those like frames (RFC 6386, 9.1)."""
    return not memoryview(packet)[0] >> 4 & 1


def tallied(container: Any, limits: MediaLimits) -> list[StreamStats]:  # noqa: ANN401  # as above
    """Walk through every packet; one account per stream, by stream index.

    Raises:
        MediaError: more streams than the limit.
    """
    kind = container.format.name
    limits.check("streams", len(container.streams), Path(container.name).name)
    # What libavformat makes up for AVI includes the decoder's delay in the picture's times and not in the audio's.
    tallies = [StreamStats(s, kind == "avi", kind == "mpegts" and s.type == "audio") for s in container.streams]
    for packet in container.demux():
        # An empty packet is PyAV's way of saying that a stream has ended; streams may still appear in a broadcast.
        if packet.size and packet.stream_index < len(tallies):
            tallies[packet.stream_index].add(packet)
    return tallies


def chosen(tallies: Iterable[StreamStats], kind: str) -> StreamStats | None:
    """The stream of that kind marked as default, else the first, among those that hold packets and are no cover art."""
    usable = [tally for tally in tallies if tally.stream.type == kind and tally.shown]
    usable = [tally for tally in usable if not tally.stream.disposition & Disposition.attached_pic]
    return next((tally for tally in usable if tally.stream.disposition & Disposition.default), next(iter(usable), None))

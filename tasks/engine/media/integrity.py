"""Check that a file holds what its header promises: a copy that broke off must not pass for a short video."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tasks.engine.core.errors import MediaError
from tasks.engine.media.packets import StreamStats, codec_of

HEADER_SLACK_SEC = 0.25
"""How much less than its header says a whole file may hold: encoder delay and padding are a few packets."""

SIZE_SLACK_BYTES = 64
"""Some writers count a header twice or forget a padding byte; a real cut is longer."""

MAX_STEP_BACK_SEC = 1.0
"""Decoding times do not run backwards within a recording: a longer step is two recordings glued together."""

HEADER_BYTES = 4096
EBML_ID, SEGMENT_ID = bytes.fromhex("1A45DFA3"), bytes.fromhex("18538067")
UNKNOWN_RIFF_SIZE = 0xFFFFFF00
"""Sizes from here on are written by programs that could not seek back, and mean nothing."""


def check_size(path: Path, size: int) -> None:
    """Refuse a file that ends before its own header says.

    Raises:
        MediaError: empty, or shorter than the size it states (Matroska, WebM, WAV, AVI).
    """
    head = b""
    if size:  # what the kernel shows as a file without size may have no end, or wait for ever
        with path.open("rb") as file:
            head = file.read(HEADER_BYTES)
    declared = declared_size(head)
    if not head:
        raise MediaError(f"{path.name!r} is empty (0 bytes): a whole video or audio file would be accepted.")
    if declared > size + SIZE_SLACK_BYTES:
        raise MediaError(f"{path.name!r} is cut short: its header says {declared} bytes, the file has {size}.")


def declared_size(head: bytes) -> int:
    """Return the total bytes that a file should have by its first ones; 0 where they do not say.

    Sources: RIFF (Microsoft, 1991), EBML (RFC 8794).
    """
    if head[:4] == b"RIFF":
        size = int.from_bytes(head[4:8], "little")
        return size + 8 if size < UNKNOWN_RIFF_SIZE else 0
    if head[:4] == EBML_ID:
        segment = _element_end(head, 4)
        return _element_end(head, segment + 4) if head[segment : segment + 4] == SEGMENT_ID else 0
    return 0


def _element_end(head: bytes, at: int) -> int:
    """Return the offset just past the EBML element whose size field starts at ``at``; 0 where the size is unknown."""
    length = 9 - head[at].bit_length() if at < len(head) else 9
    value_bits = 7 * length
    size = int.from_bytes(head[at : at + length], "big") & ((1 << value_bits) - 1)
    known = length <= 8 and size != (1 << value_bits) - 1  # noqa: PLR2004  # EBML sizes have at most 8 bytes
    return at + length + size if known else 0


def check_not_empty(path: Path, streams: Sequence[StreamStats], used: Sequence[StreamStats]) -> None:
    """Refuse a container without a single packet of audio or video, naming what it holds instead.

    Raises:
        MediaError: subtitles, cover art, data or nothing at all.
    """
    if not used:
        kinds = ", ".join(sorted({stats.stream.type for stats in streams if stats.packets})) or "no packets at all"
        raise MediaError(f"{path.name!r} holds neither audio nor video (found: {kinds}): one of them is needed.")


def check_packets(path: Path, container: Any, used: Sequence[StreamStats], streams: Sequence[StreamStats]) -> None:  # noqa: ANN401
    """Refuse a file whose packets are fewer, shorter or in another order than its index and header say.

    Raises:
        MediaError: with the first contradiction found.
    """
    kind = container.format.name
    for stats in streams:
        if stats.stream.type in ("video", "audio") and stats.stream.frames and not stats.packets:
            raise _short(path, f"its header promises {stats.stream.frames} {stats.stream.type} frames, it holds none")
    for stats in used:
        listed = len(stats.stream.index_entries)
        # Only these two keep an index of every packet; others list key frames, or grow the list while reading.
        if kind.startswith(("mov", "avi")) and stats.packets < listed:
            raise _short(path, f"its index lists {listed} {stats.stream.type} packets, it holds {stats.packets}")
        # Of raw sound every sample is a frame of its own; libavformat gives up on tables that are too long.
        if kind.startswith("mov") and codec_of(stats.stream).startswith("pcm_"):
            promised, held = stats.stream.frames / stats.stream.codec_context.sample_rate, stats.seconds(stats.end)
            if held - stats.seconds(stats.first) < promised - HEADER_SLACK_SEC:
                raise _short(path, f"its header promises {promised:.2f} s of sound, it holds {held:.2f} s")
        # Elsewhere the flag has other causes: bad reception (MPEG-TS), a size nobody could seek back to write (WAV).
        if kind.startswith(("mov", "flv")) and stats.corrupt:
            raise _short(path, f"its last {stats.stream.type} packet is incomplete")
        if stats.seconds(stats.step_back) > MAX_STEP_BACK_SEC:
            back = stats.seconds(stats.step_back)
            raise MediaError(
                f"{path.name!r}: the {stats.stream.type} timestamps jump back by {back:.1f} s: "
                "a single recording would be accepted, so remux it or analyse its parts."
            )
    # The last frame may have no duration of its own.
    rate = used[0].stream.average_rate if used[0].stream.type == "video" else None
    slack = HEADER_SLACK_SEC + (float(1 / rate) if rate else 0.0)
    promised, held = promised_sec(container, used[0]), held_sec(streams)
    if held < promised - slack:
        raise _short(path, f"its header promises {promised:.2f} s, its packets end after {held:.2f} s")


def promised_sec(container: Any, first: StreamStats) -> float:  # noqa: ANN401  # PyAV's containers
    """Return the seconds that the header promises; 0 where libavformat estimates them (MP3, ADTS) or reads the end."""
    if container.format.name == "avi":  # libavformat trims the duration to the file's size, not the number of frames
        rate = first.stream.average_rate if first.stream.type == "video" else None
        return float(first.stream.frames / rate) if rate else 0.0
    stated = container.format.name.startswith(("mov", "matroska", "flv", "flac"))
    return float(container.duration or 0) / 1e6 if stated else 0.0


def held_sec(streams: Sequence[StreamStats]) -> float:
    """Return the seconds that the packets of all streams together last: subtitles may outlast the picture."""
    timed = [stats for stats in streams if stats.first is not None]
    end = max((stats.seconds(stats.end) for stats in timed), default=0.0)
    start = min((stats.seconds(stats.first) for stats in timed), default=0.0)
    # Headers count from zero or from the first packet: the larger figure decides, so that no whole file is refused.
    return max(end, end - start)


def _short(path: Path, contradiction: str) -> MediaError:
    return MediaError(f"{path.name!r} is cut short or damaged: {contradiction}.")

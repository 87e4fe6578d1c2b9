"""Check that a file holds what its header promises: a copy that broke off must not pass for a short video."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tasks.engine.core.errors import MediaError
from tasks.engine.media.packets import StreamStats, codec_of
from tasks.engine.media.truncation import declared_size, has_index

HEADER_SLACK_SEC = 0.25
"""How much less than its header says a whole file may hold: encoder delay and padding are a few packets."""

UNKNOWN_FRAMES = 1 << 30
"""How many frames ffmpeg writes into AVI through a pipe, where it cannot seek back."""

STATED = ("mov", "matroska", "flv", "flac", "mxf", "gxf", "tta", "wv", "ape")
"""Containers whose header states the duration."""

MAX_STEP_BACK_SEC = 1.0
"""Decoding times do not run backwards within a recording: a longer step is two recordings glued together."""


def check_complete(path: Path, contradiction: str, *, accept_truncated: bool) -> None:
    """Refuse a recording that was cut, unless that is accepted.

    Raises:
        MediaError: with what contradicts its being whole; no text means that nothing does.
    """
    if contradiction and not accept_truncated:
        raise MediaError(
            f"{path.name!r} is cut short or damaged: {contradiction}. "
            "--accept-truncated would publish a recording up to where it ends."
        )


@contextmanager
def said_of_a_cut(path: Path, cut: str) -> Iterator[None]:
    """Add to why a file cannot be read that it is cut, and recommend nothing: what is left was tried."""
    try:
        yield
    except MediaError as error:
        if not cut:
            raise
        raise MediaError(f"{path.name!r} is cut short: {cut}, and what is left is refused as well: {error}") from error


def missing_bytes(path: Path, size: int) -> str:
    """Say by how much a file ends before its own structure says; nothing where it does not.

    Raises:
        MediaError: it is empty, or was cut and cannot be read for it.
    """
    # What the kernel shows as a file without size may have no end, or wait for ever: it is not opened.
    declared = declared_size(path) if size else 0
    if not size:
        raise MediaError(f"{path.name!r} is empty (0 bytes): a whole video or audio file would be accepted.")
    cut = f"its header says {declared} bytes, the file has {size}" if declared > size else ""
    if cut and not has_index(path):
        raise MediaError(
            f"{path.name!r} is cut short: {cut}, and what is lost holds its index (moov), without which nothing of it "
            "can be read. A whole file would be accepted; a tool that rebuilds the index may make one."
        )
    return cut


def check_not_empty(path: Path, streams: Sequence[StreamStats], used: Sequence[StreamStats]) -> None:
    """Refuse a container without a single packet of audio or video, naming what it holds instead.

    Raises:
        MediaError: subtitles, cover art, data or nothing at all.
    """
    if not used:
        kinds = ", ".join(sorted({stats.stream.type for stats in streams if stats.packets})) or "no packets at all"
        raise MediaError(f"{path.name!r} holds neither audio nor video (found: {kinds}): one of them is needed.")


def check_order(path: Path, used: Sequence[StreamStats]) -> None:
    """Refuse a file whose packets start again.

    Raises:
        MediaError: with the longest step back.
    """
    for stats in used:
        back = stats.seconds(stats.step_back)
        if back > MAX_STEP_BACK_SEC:
            raise MediaError(
                f"{path.name!r}: the {stats.stream.type} timestamps jump back by {back:.1f} s: "
                "a single recording would be accepted, so remux it or analyse its parts."
            )


def missing_packets(container: Any, used: Sequence[StreamStats], streams: Sequence[StreamStats]) -> Iterator[str]:  # noqa: ANN401
    """Yield each way in which the packets are fewer or shorter than index and header say."""
    kind = container.format.name
    for stats in streams:
        if stats.stream.type in ("video", "audio") and stats.stream.frames and not stats.packets:
            yield f"its header promises {stats.stream.frames} {stats.stream.type} frames, it holds none"
    for stats in used:
        listed = len(stats.stream.index_entries)
        # Only these two keep an index of every packet; others list key frames, or grow the list while reading.
        if kind.startswith(("mov", "avi")) and stats.packets < listed:
            yield f"its index lists {listed} {stats.stream.type} packets, it holds {stats.packets}"
        # Of raw sound every sample is a frame of its own; libavformat gives up on tables that are too long.
        if kind.startswith("mov") and codec_of(stats.stream).startswith("pcm_"):
            promised, held = stats.stream.frames / stats.stream.codec_context.sample_rate, stats.seconds(stats.end)
            if held - stats.seconds(stats.first) < promised - HEADER_SLACK_SEC:
                yield f"its header promises {promised:.2f} s of sound, it holds {held:.2f} s"
        # Elsewhere the flag has other causes: bad reception (MPEG-TS), a size nobody could seek back to write (WAV).
        if kind.startswith(("mov", "flv", "ivf")) and stats.corrupt:
            yield f"its last {stats.stream.type} packet is incomplete"
    # The last frame may have no duration of its own.
    rate = used[0].stream.average_rate if used[0].stream.type == "video" else None
    slack = HEADER_SLACK_SEC + (float(1 / rate) if rate else 0.0)
    promised, held = promised_sec(container, used[0]), held_sec(streams)
    if held < promised - slack:
        yield f"its header promises {promised:.2f} s, its packets end after {held:.2f} s"


def promised_sec(container: Any, first: StreamStats) -> float:  # noqa: ANN401  # PyAV's containers
    """Return the seconds that the header promises; 0 where libavformat estimates them (MP3, ADTS) or reads the end."""
    if container.format.name == "avi":  # libavformat trims the duration to the file's size, not the number of frames
        rate = first.stream.average_rate if first.stream.type == "video" else None
        return float(first.stream.frames / rate) if rate and first.stream.frames < UNKNOWN_FRAMES else 0.0
    stated = container.format.name.startswith(STATED)
    return float(container.duration or 0) / 1e6 if stated else 0.0


def held_sec(streams: Sequence[StreamStats]) -> float:
    """Return the seconds that the packets of all streams together last: subtitles may outlast the picture."""
    timed = [stats for stats in streams if stats.first is not None]
    end = max((stats.seconds(stats.end) for stats in timed), default=0.0)
    start = min((stats.seconds(stats.first) for stats in timed), default=0.0)
    # Headers count from zero or from the first packet: the larger figure decides, so that no whole file is refused.
    return max(end, end - start)

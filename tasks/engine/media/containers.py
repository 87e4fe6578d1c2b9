"""What a media file holds, found by walking through its packets."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import av

from tasks.engine.core.choices import FrameCount
from tasks.engine.core.errors import MediaError
from tasks.engine.core.frames import FrameGrid
from tasks.engine.media.frame_rate import audio_only_grid, frame_grid
from tasks.engine.media.integrity import (
    check_complete,
    check_not_empty,
    check_order,
    missing_bytes,
    missing_packets,
    said_of_a_cut,
)
from tasks.engine.media.limits import MediaLimits
from tasks.engine.media.packets import StreamStats, codec_of, other_default, read_packets, select_picture
from tasks.engine.media.pictures import VIDEO_DECODERS, decoded_times
from tasks.engine.media.programs import read_programs
from tasks.engine.media.tracks import DECODERS, AudioTrack, choose, lost_sound, notes_on, tracks_of
from tasks.engine.system.atomic import sha256_of

DEMUXERS = (
    "mov,matroska,avi,mpegts,mpeg,flv,ogg,mp3,aac,flac,wav,w64,aiff,asf,ac3,eac3,amr,dts,mxf,caf,au,wv,tta,ape,dv,rm,"
    "gxf,nut,ivf"
)
"""Accepted containers. A list of what may be opened, because a text named .mp4 can be a playlist of other files."""

VIDEO_SUFFIXES = (
    ".3g2,.3gp,.asf,.avi,.dv,.f4v,.flv,.gxf,.ivf,.m2t,.m2ts,.m4v,.mk3d,.mkv,.mov,.mp4,.mpeg,.mpg,.mts,.mxf,.nut,.ogv,"
    ".rm,.rmvb,.ts,.vob,.webm,.wmv"
)
"""How videos in the accepted containers are named. Names of audio files are left out: `clip.wav` beside `clip.mp4` is
its sound, not a second video."""


@dataclass(frozen=True, slots=True)
class Media:
    """One video or audio file, as its packets describe it.

    Attributes:
        path: absolute.
        size: bytes.
        sha256: of the whole file, hexadecimal.
        container: libavformat's name, such as ``mov,mp4,m4a,3gp,3g2,mj2``.
        grid: the video's frames; those that cover the sound where there is no picture.
        variable_frame_rate: whether each frame has a time of its own.
        fps_assumed: no picture, or one that does not say its rate; the grid is then at `ASSUMED_FPS`.
        video_start: seconds, the presentation time of the first frame (of the first sample where there is no picture).
        audio: the track that is analysed, None where there is none.
        corrupt_packets: how many the demuxer flagged in the two streams that are used.
        modified_ns: time of the last change, nanoseconds since 1970, as it was before the content was read.
        tracks: every audio track, the one that is analysed among them.
        notes: what people should know of it.
        truncated: whether it ends before it should, which was accepted.
        counted_by: what tells how many frames there are.
        counted_why: why packets alone did not; empty where they did.
    """

    path: Path
    size: int
    sha256: str
    container: str
    grid: FrameGrid
    variable_frame_rate: bool
    fps_assumed: bool
    video_start: float
    audio: AudioTrack | None
    corrupt_packets: int
    modified_ns: int = 0
    tracks: tuple[AudioTrack, ...] = ()
    notes: tuple[str, ...] = ()
    truncated: bool = False
    counted_by: FrameCount = FrameCount.PACKETS
    counted_why: str = ""

    @property
    def duration_sec(self) -> float:
        """Seconds from the first frame's start to the last frame's end."""
        return self.grid.duration

    def facts(self) -> dict[str, Any]:
        """Return what the published files say of it."""
        return {
            "name": self.path.name,
            "sha256": self.sha256,
            "container": self.container,
            "duration_sec": self.duration_sec,
            "total_frames": self.grid.count,
            "fps": f"{self.grid.fps.numerator}/{self.grid.fps.denominator}",
            "frames_counted": {"by": self.counted_by, "reason": self.counted_why or None},
            "fps_assumed": self.fps_assumed,
            "variable_frame_rate": self.variable_frame_rate,
            "audio": asdict(self.audio) if self.audio else "no_audio_stream",
            "audio_tracks": [asdict(track) for track in self.tracks],
            "truncated": self.truncated,
        }


def read(path: Path, limits: MediaLimits, audio_track: str | None = None, *, accept_truncated: bool = False) -> Media:
    """Demux a whole file. For a sandboxed process: the file is untrusted input.

    Args:
        path: of the file.
        limits: what is accepted.
        audio_track: index, language or title of the track to analyse, None for the rule's choice.
        accept_truncated: read a recording that was cut up to where it ends.

    Raises:
        UsageError: it has no such audio track.
        MediaError: it cannot be read, holds neither audio nor video, is cut short, promises more than it holds, or is
            beyond a limit.
        StorageError: its bytes cannot be read.
    """
    path = path.absolute()
    status = path.stat()
    cut = missing_bytes(path, status.st_size)
    with said_of_a_cut(path, cut), open_container(path) as container:
        streams = read_packets(container, limits, drop_corrupt=accept_truncated or bool(cut))
        picture = select_picture(streams)
        programs = read_programs(path) if container.format.name == "mpegts" else {}
        chosen = choose(tracks_of(streams, picture, programs), audio_track, path.name)
        used = [stats for stats in (picture, streams[chosen.index] if chosen else None) if stats]
        check_not_empty(path, streams, used)
        check_order(path, used)
        cut = cut or next(missing_packets(container, used, streams), "")
        counted_by, counted_why = count_frames(path, picture)
        tracks = tracks_of(streams, picture, programs)  # again: only now is it known where the picture starts
        track = next((track for track in tracks if chosen and track.index == chosen.index), None)
        media = describe(path, container.format.name, used, track)
        check_limits(path, media, used, limits)
        other = other_default(streams, picture)  # streams are gone once the container is closed
        sounds = any(stats.stream.type == "audio" for stats in streams)
    check_complete(path, cut, accept_truncated=accept_truncated)  # last: it recommends an option that has to help
    notes = notes_on(tracks, track) if audio_track is None else ()
    notes = (*notes, other) if other else notes
    if counted_by is FrameCount.UNCHECKED:
        notes = (*notes, f"each packet of the picture counts as a frame: {counted_why}")
    if cut:
        lost = lost_sound(track, media.duration_sec) if sounds else ""
        notes = (f"the recording is cut at {media.duration_sec:.2f} s: {cut}{lost}", *notes)
    media = replace(media, tracks=tracks, notes=notes, truncated=bool(cut))
    media = replace(media, counted_by=counted_by, counted_why=counted_why)
    return replace(media, size=status.st_size, modified_ns=status.st_mtime_ns, sha256=sha256_of(path))


@contextmanager
def open_container(path: Path) -> Iterator[Any]:
    """Open a container; every FFmpeg error inside the block becomes a MediaError."""
    decoders = f"{DECODERS},{VIDEO_DECODERS}"
    options = {"protocol_whitelist": "file", "format_whitelist": DEMUXERS, "codec_whitelist": decoders}
    try:
        with av.open(f"file:{path}", options=options, metadata_errors="replace") as container:
            yield container
    except av.FFmpegError as error:
        raise MediaError(
            f"{path.name!r} cannot be read as media ({error.strerror}): "
            "a whole file would be accepted, in a common container: mp4, mov, mkv, webm, avi, ts, wav, mp3, flac, ogg."
        ) from error


def count_frames(path: Path, video: StreamStats | None) -> tuple[FrameCount, str]:
    """Let the frames that a decoder shows stand for the packets: the whole stream is decoded where these do not tell.

    Returns:
        What they were counted by, and why packets alone do not tell; empty where they do.

    Raises:
        MediaError: no frame at all.
    """
    if not video or not video.check:
        return FrameCount.SOUND, "there is no moving picture"
    if not video.check.decodes:
        return FrameCount.UNCHECKED, f"no decoder of {codec_of(video.stream)} is accepted"
    reason = video.check.reason or ("frames out of order have no times of their own" if video.loses_times else "")
    if reason:
        with open_container(path) as container:
            times = decoded_times(container, video.stream.index, decode_order=video.decode_order)
        if not times:
            raise MediaError(
                f"{path.name!r} has a picture of which no frame can be decoded ({reason}): one with a key "
                "frame would be accepted."
            )
        video.set_frames(times)
        return FrameCount.DECODING, reason
    if video.check.dropped:
        video.drop_leading(video.check.dropped)
        return FrameCount.PACKETS, f"{len(video.check.dropped)} before the first frame that can be shown are left out"
    return FrameCount.PACKETS, ""


def describe(path: Path, container: str, used: Sequence[StreamStats], track: AudioTrack | None) -> Media:
    """Describe a file by the packets of the used streams; size and checksum are left empty.

    Raises:
        MediaError: the picture's codec is unknown.
    """
    start = used[0].start
    if not all(codec_of(stats.stream) for stats in used):
        raise MediaError(f"{path.name!r} has a picture of an unknown codec: a common one would be accepted.")
    if used[0].stream.type == "video":
        grid, assumed = video_grid(used[0])
    else:
        grid, assumed = audio_only_grid(track.duration_sec if track else 0.0), True
    corrupt = sum(stats.corrupt for stats in used)
    return Media(path, 0, "", container, grid, grid.pts is not None, assumed, start, track, corrupt)


def check_limits(path: Path, media: Media, used: Sequence[StreamStats], limits: MediaLimits) -> None:
    """Refuse what is longer, larger or wider than the limits.

    Raises:
        MediaError: with the value found and the limit.
    """
    track, grid = media.audio, media.grid
    hours = max(grid.duration, track.start_offset_sec + track.duration_sec if track else 0.0) / 3600
    pictures = [stream.width * stream.height for stats in used if (stream := stats.stream).type == "video"]
    for limit, value in (
        ("hours", hours),
        ("frames", grid.count),
        ("pixels", max(pictures, default=0)),
        ("channels", track.channels if track else 0),
        ("sample_rate", track.sample_rate if track else 0),
    ):
        limits.check(limit, value, path.name)


def video_grid(video: StreamStats) -> tuple[FrameGrid, bool]:
    """Return the frames of the video stream, and whether their rate had to be assumed."""
    rates = [rate for rate in (video.stream.average_rate, video.stream.guessed_rate) if rate]
    # Where some frames have no time of their own, counting them at the stated rate is the best there is.
    ticks = video.ticks if len(video.ticks) == video.shown else None
    grid, assumed = frame_grid(video.shown, ticks, video.stream.time_base, rates)
    if grid.pts is None:
        return grid, assumed
    end = video.seconds(video.end - (video.first or 0))
    return replace(grid, end_sec=end if end > grid.pts[-1] else None), assumed

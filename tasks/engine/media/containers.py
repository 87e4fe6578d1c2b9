"""What a media file holds, found by walking through its packets."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av

from tasks.engine.core.errors import MediaError
from tasks.engine.core.frames import FrameGrid
from tasks.engine.media.frame_rate import audio_only_grid, frame_grid
from tasks.engine.media.integrity import check_not_empty, check_packets, check_size
from tasks.engine.media.limits import MediaLimits
from tasks.engine.media.packets import StreamStats, codec_of, read_packets, select_picture, select_stream
from tasks.engine.media.pictures import VIDEO_DECODERS, decoded_times
from tasks.engine.system.atomic import sha256_of

DEMUXERS = (
    "mov,matroska,avi,mpegts,mpeg,flv,ogg,mp3,aac,flac,wav,w64,aiff,asf,ac3,eac3,amr,dts,mxf,caf,au,wv,tta,ape,dv,rm,"
    "gxf,nut,ivf"
)
"""Accepted containers. A list of what may be opened, because a text named .mp4 can be a playlist of other files."""

DECODERS = (
    "aac,aac_latm,ac3,eac3,alac,flac,opus,libopus,vorbis,libvorbis,mp3,mp3float,mp2,mp2float,dca,truehd,wmav2,"
    "amrnb,amrwb,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,pcm_f64le,pcm_u8,"
    "pcm_mulaw,pcm_alaw,pcm_bluray,pcm_dvd,pcm_s8,pcm_u16le,pcm_u24le,adpcm_ms,adpcm_ima_wav,adpcm_ima_qt,adpcm_swf,"
    "adpcm_yamaha,g722,g726,gsm,gsm_ms,wmav1,wmapro,wmalossless,wavpack,tta,ape,mp1,mp1float,nellymoser,cook,speex,"
    "libspeex,qdm2,sipr,ilbc"
)
"""Accepted audio decoders."""

VIDEO_SUFFIXES = (
    ".3g2,.3gp,.asf,.avi,.dv,.f4v,.flv,.gxf,.ivf,.m2t,.m2ts,.m4v,.mk3d,.mkv,.mov,.mp4,.mpeg,.mpg,.mts,.mxf,.nut,.ogv,"
    ".rm,.rmvb,.ts,.vob,.webm,.wmv"
)
"""How videos in the accepted containers are named. Names of audio files are left out: `clip.wav` beside `clip.mp4` is
its sound, not a second video."""


@dataclass(frozen=True, slots=True)
class AudioTrack:
    """The one audio stream that is analysed.

    Attributes:
        index: of the stream in the container, counted from 0 over streams of every kind.
        codec: libavcodec's name.
        sample_rate: Hz, as stored.
        channels: how many, as stored.
        start_offset_sec: when the audio starts, relative to the first video frame; negative when earlier.
        duration_sec: from its first sample to its last, by its packets' timestamps.
        largest_gap_sec: longest hole between two packets; holes are filled with silence.
    """

    index: int
    codec: str
    sample_rate: int
    channels: int
    start_offset_sec: float
    duration_sec: float
    largest_gap_sec: float


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

    @property
    def duration_sec(self) -> float:
        """Seconds from the first frame's start to the last frame's end."""
        return self.grid.duration


def read(path: Path, limits: MediaLimits) -> Media:
    """Demux a whole file. For a sandboxed process: the file is untrusted input.

    Raises:
        MediaError: it cannot be read, holds neither audio nor video, is cut short, promises more than it holds, or is
            beyond a limit.
        StorageError: its bytes cannot be read.
    """
    path = path.absolute()
    status = path.stat()
    check_size(path, status.st_size)
    with open_container(path) as container:
        streams = read_packets(container, limits)
        video = select_picture(streams)
        used = [stats for stats in (video, select_stream(streams, "audio")) if stats]
        check_not_empty(path, streams, used)
        check_packets(path, container, used, streams)
        if video:
            count_frames(path, video)
        media = describe(path, container.format.name, used)
        check_limits(path, media, used, limits)
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


def count_frames(path: Path, video: StreamStats) -> None:
    """Let the frames that a decoder shows stand for the packets: the whole stream is decoded where these do not tell.

    Raises:
        MediaError: no frame at all.
    """
    if video.check and video.check.reason:
        with open_container(path) as container:
            video.set_frames(decoded_times(container, video.stream.index))
    elif video.check and video.check.dropped:
        video.drop_leading(video.check.dropped)


def describe(path: Path, container: str, used: Sequence[StreamStats]) -> Media:
    """Describe a file by the packets of the used streams; size and checksum are left empty.

    Raises:
        MediaError: a codec that is unknown or not accepted.
    """
    start = used[0].start
    if not all(codec_of(stats.stream) for stats in used):
        raise MediaError(f"{path.name!r} has audio or video of an unknown codec: {DECODERS} would be accepted.")
    codecs = [codec_of(stats.stream) for stats in used if stats.stream.type == "audio"]
    if not set(codecs) <= set(DECODERS.split(",")):
        raise MediaError(f"{path.name!r} has sound in {codecs[0]}, which is not accepted: {DECODERS} would be.")
    tracks = [track_of(stats, start) for stats in used if stats.stream.type == "audio"]
    track = tracks[0] if tracks else None
    if used[0].stream.type == "video":
        grid, assumed = video_grid(used[0])
    else:
        grid, assumed = audio_only_grid(tracks[0].duration_sec), True
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


def track_of(audio: StreamStats, video_start: float) -> AudioTrack:
    """Describe the audio stream relative to the first video frame."""
    codec = audio.stream.codec_context
    return AudioTrack(
        index=audio.stream.index,
        codec=codec.name,
        sample_rate=codec.sample_rate,
        channels=codec.channels,
        start_offset_sec=audio.start - video_start,
        duration_sec=max(0.0, audio.seconds(audio.end) - audio.start),
        largest_gap_sec=audio.seconds(audio.gap),
    )

"""From a file to what the analysis needs of it: the grid of its video frames, and its audio as samples."""

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.engine.containers import AudioTrack, Media, read
from tasks.engine.errors import MediaError
from tasks.engine.ffmpeg import DECODE_TIMEOUT_SEC, Runner, Samples, decode, run_ffmpeg

__all__ = [
    "AudioTrack",
    "Media",
    "Runner",
    "Samples",
    "extract",
    "listen",
    "listen_task",
    "probe",
    "probe_task",
    "run_ffmpeg",
]


def probe(video: Path) -> Media:
    """Find out what a file holds, by demuxing all of it and decoding nothing.

    Memory is 8 bytes per video frame, whatever the file's size.

    Raises:
        MediaError: missing, not a file, empty, unreadable, cut short, or without audio and video.
        StorageError: the disk failed while it was read.
    """
    try:
        if not video.is_file():
            found = "is a folder" if video.is_dir() else "is not a file" if video.exists() else "does not exist"
            raise MediaError(f"{str(video)!r} {found}: a video or audio file would be accepted.")
        return read(video)
    except OSError as error:
        raise MediaError(f"{str(video)!r} cannot be opened ({error.strerror or error}): may it be read?") from error


def extract(
    media: Media, destination: Path, runner: Runner = run_ffmpeg, timeout_sec: float = DECODE_TIMEOUT_SEC
) -> Samples:
    """Decode a probed file's audio to 16 kHz mono float32; sample 0 is heard as the first video frame shows.

    Audio that starts later is preceded by silence, audio that starts earlier is cut, holes are silence. The same file
    gives the same samples, bit for bit, with the same ffmpeg.

    Args:
        media: what ``probe`` said; its ``audio`` must not be None.
        destination: file for the raw samples; an older one is replaced when the new one is complete.
        runner: starts ffmpeg; tests pass their own.
        timeout_sec: how long ffmpeg may take.

    Raises:
        MediaError: there is no audio, or not all of it can be decoded.
        StorageError: the samples could not be written.
        EngineError: ffmpeg is missing.
    """
    return decode(media, destination, runner, timeout_sec)


def listen(media: Media, destination: Path, runner: Runner = run_ffmpeg) -> Samples | None:
    """`extract`, where there is anything to hear: None without an audio stream, or with one that holds no sample.

    Raises:
        MediaError, StorageError, EngineError: as `extract`.
    """
    samples = extract(media, destination, runner) if media.audio else None
    return samples if samples and samples.count else None


probe_task = task(name="probe", cache_policy=NO_CACHE)(probe)
listen_task = task(name="extract", cache_policy=NO_CACHE)(listen)

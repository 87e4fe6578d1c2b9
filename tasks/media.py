"""From a file to what the analysis needs of it: the grid of its video frames, and its audio as samples."""

from pathlib import Path

from tasks.engine.core.constants import GIB
from tasks.engine.core.errors import MediaError
from tasks.engine.media.containers import Media
from tasks.engine.media.decode import Samples, decode
from tasks.engine.media.limits import MediaLimits
from tasks.engine.media.probe_process import examine
from tasks.engine.system import sandbox
from tasks.engine.system.environment import where
from tasks.engine.system.sandbox import Runner
from tasks.orchestration.stage import stage

DEFAULT_LIMITS = MediaLimits()


def probe(video: Path, limits: MediaLimits = DEFAULT_LIMITS) -> Media:
    """Find out what a file holds, by demuxing all of it in a sandboxed process.

    Pictures are decoded there as a check that packets are frames, and all of them where they are not.

    Memory is 8 bytes per video frame and one group of pictures, whatever the file's size.

    Raises:
        MediaError: missing, not a file, empty, unreadable, cut short, without audio and video, or beyond a limit.
        StorageError: the disk failed while it was read.
        EngineError: no process could be started.
    """
    try:
        if not video.is_file():
            problem = "is a folder" if video.is_dir() else "is not a file" if video.exists() else "does not exist"
            raise MediaError(f"{str(video)!r} {problem}{where(video)}: a video or audio file would be accepted.")
        size = video.stat().st_size
        with video.open("rb"):
            pass
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise MediaError(f"{str(video)!r} cannot be opened ({reason}): may it be read?") from error
    limits.check("input_gib", size / GIB, video.name)
    return examine(video.absolute(), size, limits)


def listen(
    media: Media, destination: Path, runner: Runner = sandbox.run, limits: MediaLimits = DEFAULT_LIMITS
) -> Samples | None:
    """Decode a probed file's audio to 16 kHz mono float32; sample 0 is heard as the first video frame shows.

    Audio that starts later is preceded by silence, audio that starts earlier is cut, holes are silence. The same file
    gives the same samples, bit for bit, with the same ffmpeg.

    Args:
        media: what ``probe`` said.
        destination: file for the raw samples; an older one is replaced when the new one is complete.
        runner: starts ffmpeg; tests pass their own.
        limits: how long ffmpeg may take, and how much it may use and write.

    Returns:
        None without an audio stream, or with one that holds no sample.

    Raises:
        MediaError: not all of the audio can be decoded.
        StorageError: the samples could not be written.
        EngineError: ffmpeg is missing.
    """
    samples = decode(media, destination, runner, limits) if media.audio else None
    return samples if samples and samples.count else None


probe_task = stage("probe")(probe)
listen_task = stage("extract")(listen)

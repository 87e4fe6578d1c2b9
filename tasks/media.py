"""From a file to what the analysis needs of it: the grid of its video frames, and its audio as samples."""

import logging
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tasks.engine.core.constants import GIB
from tasks.engine.core.errors import MediaError
from tasks.engine.inference.level import loud_rms
from tasks.engine.media.containers import Media
from tasks.engine.media.decode import Samples, decode
from tasks.engine.media.limits import MediaLimits
from tasks.engine.media.probe_process import examine
from tasks.engine.system import sandbox
from tasks.engine.system.environment import where
from tasks.engine.system.sandbox import Runner
from tasks.orchestration.stage import stage

log = logging.getLogger("step4.media")

DEFAULT_LIMITS = MediaLimits()

SILENT_RMS = 1e-3
"""-60 dB: a track whose loud blocks are below that may be the silent one of several."""

SILENT_RATIO = 100
"""40 dB: how much louder another track must be to be called not silent."""


def probe(
    video: Path,
    limits: MediaLimits = DEFAULT_LIMITS,
    audio_track: str | None = None,
    *,
    accept_truncated: bool = False,
    runner: Runner = sandbox.run,
) -> Media:
    """Find out what a file holds, by demuxing all of it in a sandboxed process.

    Pictures are decoded there as a check that packets are frames, and all of them where they are not.

    Memory is 8 bytes per video frame and one group of pictures, whatever the file's size.

    Args:
        video: path of the file.
        limits: what is accepted.
        audio_track: index, language or title of the track to analyse, None for the rule's choice.
        accept_truncated: read a recording that was cut up to where it ends.
        runner: starts the process; tests pass their own.

    Raises:
        UsageError: there is no such audio track.
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
    options: dict[str, Any] = {"audio_track": audio_track, "accept_truncated": accept_truncated}
    return examine(video.absolute(), size, limits, runner, **options)


def probe_again(video: Path, limits: MediaLimits, parameters: Mapping[str, Any], runner: Runner = sandbox.run) -> Media:
    """Probe as the run did whose files name these parameters; older files name fewer.

    Raises:
        UsageError, MediaError, StorageError, EngineError: as `probe`.
    """
    truncated = bool(parameters.get("accept_truncated"))
    return probe(video, limits, parameters.get("audio_track"), accept_truncated=truncated, runner=runner)


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
    if samples:
        samples = replace(samples, notes=(*samples.notes, *louder_tracks(media, samples, runner, limits)))
    for note in (*media.notes, *(samples.notes if samples else ())):
        log.warning("%s: %s", media.path.name, note)
    return samples if samples and samples.count else None


def louder_tracks(media: Media, samples: Samples, runner: Runner, limits: MediaLimits) -> Iterator[str]:
    """Say where the track that was decoded is silent and another is not; only then are the others decoded."""
    chosen = media.audio.index if media.audio else None
    others = [track for track in media.tracks if track.index != chosen and track.decodable]
    level = loud_rms(samples.load()) if others else 1.0
    if level >= SILENT_RMS:
        return
    for track in others:
        with tempfile.TemporaryDirectory(dir=samples.path.parent) as folder:
            try:
                other = decode(replace(media, audio=track), Path(folder) / "other.f32", runner, limits)
            except MediaError:
                continue
            louder = loud_rms(other.load())
        if louder > max(SILENT_RATIO * level, SILENT_RMS):
            yield f"audio track {chosen} is silent and track {track} is not: --audio-track takes another"


probe_task = stage("probe")(probe)
listen_task = stage("extract")(listen)

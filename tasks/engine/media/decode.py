"""Decode a file's audio with one ffmpeg process to mono 16 kHz float samples that start with the picture."""

import hashlib
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import ffmpeg
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from tasks.engine.core.constants import SAMPLE_RATE
from tasks.engine.core.errors import EngineError, MediaError, Step4Error, StorageError
from tasks.engine.core.finite import first_non_finite
from tasks.engine.media.containers import DECODERS, AudioTrack, Media
from tasks.engine.media.limits import MediaLimits
from tasks.engine.system.atomic import atomic_path
from tasks.engine.system.memory import iter_blocks
from tasks.engine.system.sandbox import Bounds, ProcessResult, Runner, exit_reason

FILL_SEC = 0.04
"""Holes and overlaps from here on (one frame at 25 fps) are filled or trimmed; below, they are a clock's jitter."""

DURATION_SLACK_SEC = 0.25
"""Encoder delay and padding, which the packets count and the decoder drops: at 8 kHz two packets are 0.25 s."""

UNSIZED = ("wav", "w64", "aiff")
"""Where ffmpeg calls the last packet corrupt when a program wrote to a pipe and could not fill in the size."""

OFF_AIR = ("mpegts",)
"""Where a recording begins and ends in the middle of a packet: corrupt ones are dropped, as the probe drops them."""

BLOCK_SAMPLES = 1 << 20
BYTES_PER_SEC = SAMPLE_RATE * 4
OUTPUT_SLACK_BYTES = 10 * BYTES_PER_SEC
"""How much more than it promises a track may decode to before ffmpeg is stopped rather than measured."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Decoded audio in a file of raw little-endian float32, mono. Sample 0 is heard as the first frame shows.

    Attributes:
        path: of the file.
        count: number of samples.
        sha256: of the file, hexadecimal.
        sample_rate: Hz.
    """

    path: Path
    count: int
    sha256: str
    sample_rate: int = SAMPLE_RATE

    @property
    def duration_sec(self) -> float:
        """Length in seconds."""
        return self.count / self.sample_rate

    def load(self) -> NDArray[np.float32]:
        """Map the (samples,) float32, read-only: only what is touched comes into memory."""
        if not self.count:
            empty = np.zeros(0, dtype=np.float32)
            empty.flags.writeable = False
            return empty
        return np.memmap(self.path, dtype="<f4", mode="r", shape=(self.count,))


def executable() -> str:
    """Return the path of ffmpeg: the one on PATH, else the one that imageio-ffmpeg ships.

    Raises:
        EngineError: there is neither.
    """
    try:
        return shutil.which("ffmpeg") or str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise EngineError("No ffmpeg on PATH and none from imageio-ffmpeg: one of them is needed.") from error


def arguments_for(media: Media, track: AudioTrack, output: Path, ffmpeg_path: str) -> list[str]:
    """Build the command line. Every part of it was tried on whole and on damaged files of each codec."""
    demuxer = media.container.split(",")[0]
    # Names come in last: ffmpeg-python cannot digest one that is not UTF-8, and Linux allows it.
    names = {"<source>": f"file:{media.path}", "<sink>": f"file:{output}"}
    source = ffmpeg.input(
        "<source>",
        f=demuxer,  # named, so that nothing is guessed a second time and no playlist is ever opened
        nostdin=None,
        hide_banner=None,
        v="error",
        filter_threads=1,  # one per core would take address space and no time off
        threads=1,
        protocol_whitelist="file",
        codec_whitelist=DECODERS,
        copyts=None,  # times as the container has them: ffmpeg's own zero is the earliest stream, not the picture
        max_error_rate=0,  # the default forgives two packets in three
        **({"fflags": "+discardcorrupt"} if demuxer in OFF_AIR else {} if demuxer in UNSIZED else {"xerror": None}),
    )
    filters = (
        f"asetpts=PTS-({media.video_start:.9f})/TB,"
        # first_pts counts samples at the *input* rate: zero is the only value that is safe.
        f"aresample={SAMPLE_RATE}:async=1:first_pts=0:min_hard_comp={FILL_SEC}:rematrix_maxval=1,"
        # rematrix_maxval: channels are averaged, as for integers; floats would be summed, 2.8 times too loud for 5.1.
        "aformat=sample_fmts=flt:channel_layouts=mono"
    )
    sink = source[str(track.index)].output("<sink>", f="f32le", acodec="pcm_f32le", af=filters, map_metadata=-1)
    return [names.get(part, part) for part in map(str, sink.overwrite_output().compile(cmd=ffmpeg_path))]


def decode(media: Media, destination: Path, runner: Runner, limits: MediaLimits) -> Samples:
    """Decode the chosen track of ``media`` into ``destination``, which appears whole or not at all.

    Raises:
        MediaError: no audio, undecodable or incomplete audio, NaN or infinite samples, or beyond a limit.
        StorageError: the samples could not be written.
        EngineError: ffmpeg could not be started.
    """
    track = media.audio
    if track is None:
        raise MediaError(f"{media.path.name!r} has no audio to decode: an audio stream with packets is needed.")
    promised = int(_expected_sec(track) * BYTES_PER_SEC)
    bounds = limits.bounds(media.size, promised + OUTPUT_SLACK_BYTES)
    with atomic_path(destination.absolute()) as temporary:
        result = _run(media, arguments_for(media, track, temporary, executable()), runner, bounds)
        complaint = _complaint(result.stderr, media.container, track.codec)
        if result.returncode:
            raise _failure(media, result, complaint, bounds)
        count = temporary.stat().st_size // np.dtype("<f4").itemsize
        _check_complete(media, track, count, complaint)
        sha256 = _checksum(media, Samples(temporary, count, "").load())
    return Samples(destination.absolute(), count, sha256)


def _run(media: Media, arguments: list[str], runner: Runner, bounds: Bounds) -> ProcessResult:
    try:
        return runner(arguments, bounds)
    except subprocess.TimeoutExpired as error:
        raise MediaError(
            f"{media.path.name!r} was not decoded within {bounds.wall_sec:.0f} s: ffmpeg was stopped."
        ) from error


def _expected_sec(track: AudioTrack) -> float:
    """Return the seconds from the first video frame to the end of the sound."""
    return max(0.0, track.start_offset_sec + track.duration_sec)


def _complaint(stderr: bytes, container: str, codec: str) -> str:
    """Return the first message of demuxer or audio decoder; the picture's decoders, kept shut, complain too."""
    source = re.compile(
        rf"\[(in#0|aist#|Parsed_|{re.escape(container)}|{re.escape(codec)})[^\]]*\] *(\[[^\]]*\] *)*(?P<message>.+)"
    )
    matches = (source.match(line) for line in stderr.decode(errors="replace").splitlines())
    return next((match["message"].strip() for match in matches if match), "")


def _failure(media: Media, result: ProcessResult, complaint: str, bounds: Bounds) -> Step4Error:
    """Say why ffmpeg failed."""
    stderr = result.stderr.decode(errors="replace").strip()
    if "No space left on device" in stderr:
        return StorageError(f"The decoded audio of {media.path.name!r} does not fit on the disk: free some space.")
    if "File too large" in stderr:
        return MediaError(
            f"{media.path.name!r} decodes to more than its container promises or its limits allow: "
            f"{bounds.output_bytes} bytes would be accepted."
        )
    if "Cannot allocate memory" in stderr:
        return MediaError(f"{media.path.name!r} needs more than {bounds.memory_bytes >> 20} MiB of memory to decode.")
    reason = complaint or (stderr.splitlines() or ["no message"])[-1]
    return MediaError(
        f"The audio of {media.path.name!r} is damaged or of a kind that cannot be decoded "
        f"(ffmpeg {exit_reason(result.returncode, bounds)}: {reason}): audio that decodes without an error would be "
        "accepted."
    )


def _check_complete(media: Media, track: AudioTrack, count: int, complaint: str) -> None:
    """Refuse incomplete audio, which ffmpeg ends with 0 on: lost packets become silence, lost ends are missing."""
    expected, decoded = _expected_sec(track), count / SAMPLE_RATE
    if abs(expected - decoded) > DURATION_SLACK_SEC:
        raise MediaError(
            f"The audio of {media.path.name!r} is damaged: {decoded:.2f} s could be decoded where the container "
            f"holds {expected:.2f} s."
        )
    # A hole alone is how recorders write silence, a complaint alone is harmless: together they are lost audio.
    if track.largest_gap_sec > FILL_SEC and (complaint or media.corrupt_packets):
        raise MediaError(
            f"The audio of {media.path.name!r} is damaged: {track.largest_gap_sec:.2f} s are missing in the middle "
            f"({complaint or f'{media.corrupt_packets} corrupt packets'})."
        )


def _checksum(media: Media, samples: NDArray[np.float32]) -> str:
    """Return the hexadecimal sha256 of (samples,) float32, in one pass that also refuses NaN and infinity."""
    digest = hashlib.sha256()
    for start, block in iter_blocks(samples, BLOCK_SAMPLES):
        if (place := first_non_finite(block)) is not None:
            at = (start + place) / SAMPLE_RATE
            raise MediaError(
                f"The audio of {media.path.name!r} holds NaN or infinity at {at:.2f} s: finite samples only."
            )
        digest.update(block.data)
    return digest.hexdigest()

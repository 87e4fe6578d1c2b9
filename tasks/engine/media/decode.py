"""Decode a file's audio with one ffmpeg process to mono 16 kHz float samples that start with the picture."""

import hashlib
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from tasks.engine.core.constants import SAMPLE_RATE
from tasks.engine.core.errors import MediaError, Step4Error, StorageError
from tasks.engine.core.finite import first_non_finite
from tasks.engine.media.containers import Media
from tasks.engine.media.downmix import mix
from tasks.engine.media.ffmpeg_command import FILL_SEC, arguments_for, begins, executable, frames
from tasks.engine.media.limits import MediaLimits
from tasks.engine.media.placement import place
from tasks.engine.media.tracks import AudioTrack
from tasks.engine.system.atomic import atomic_path
from tasks.engine.system.memory import iter_blocks
from tasks.engine.system.sandbox import Bounds, ProcessResult, Runner, exit_reason

DURATION_SLACK_SEC = 0.25
"""Encoder delay and padding, which the packets count and the decoder drops: at 8 kHz two packets are 0.25 s."""

SHUT = "not on whitelist"
"""What ffmpeg says of the picture's decoder, which is kept shut."""

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
        notes: what people should know of how they were made.
    """

    path: Path
    count: int
    sha256: str
    sample_rate: int = SAMPLE_RATE
    notes: tuple[str, ...] = ()

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
    channels = 1 if track.channels == 1 else 2
    destination = destination.absolute()
    with atomic_path(destination) as temporary, _removed(destination.with_name(f"{destination.name}.raw")) as raw:
        target = temporary if channels == 1 else raw
        complaint = _run(media, track, target, runner, limits)
        opposite = mix(raw, temporary) if channels > 1 else 0.0
        count = temporary.stat().st_size // np.dtype("<f4").itemsize
        _check_complete(media, track, count, complaint)
        sha256 = _checksum(media, Samples(temporary, count, "").load())
    return Samples(destination, count, sha256, notes=_notes(track, opposite))


@contextmanager
def _removed(path: Path) -> Iterator[Path]:
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _notes(track: AudioTrack, opposite: float) -> tuple[str, ...]:
    if round(100 * opposite) < 1:
        return ()
    return (f"audio track {track.index}: {opposite:.0%} of it has opposite channels, of which the left is analysed",)


def _run(media: Media, track: AudioTrack, output: Path, runner: Runner, limits: MediaLimits) -> str:
    """Decode to one or two channels; return ffmpeg's complaint where it ended well all the same.

    Where layout or rate change within the track ffmpeg begins anew, with silence since the picture's start: then it
    writes what is heard alone, frame by frame, and the frames are placed by their times.
    """
    channels = 1 if track.channels == 1 else 2
    promised = int(_expected_sec(track) * channels * BYTES_PER_SEC)
    bounds = limits.bounds(media.size, promised + channels * OUTPUT_SLACK_BYTES)
    with tempfile.TemporaryFile() as printed:
        result = _start(media, arguments_for(media, track, output, executable()), runner, bounds, printed)
        if begins(_rewound(printed)) <= 1:
            return _judged(media, track, result, bounds, output)
    pieces = output.with_name(f"{output.name}.pieces")
    with tempfile.TemporaryFile() as printed, _removed(pieces):
        arguments = arguments_for(media, track, pieces, executable(), piecewise=True)
        complaint = _judged(media, track, _start(media, arguments, runner, bounds, printed), bounds, output)
        place(pieces, frames(_rewound(printed)), channels, output, bounds.output_bytes // (4 * channels))
    return complaint


def _rewound(file: IO[bytes]) -> IO[bytes]:
    file.seek(0)
    return file


def _judged(media: Media, track: AudioTrack, result: ProcessResult, bounds: Bounds, output: Path) -> str:
    complaint = _complaint(result.stderr, media.container, track.codec)
    if result.returncode:
        raise _failure(media, result, complaint, bounds, output)
    return complaint


def _start(media: Media, arguments: list[str], runner: Runner, bounds: Bounds, printed: IO[bytes]) -> ProcessResult:
    try:
        return runner(arguments, bounds, printed)
    except subprocess.TimeoutExpired as error:
        raise MediaError(
            f"{media.path.name!r} was not decoded within {bounds.wall_sec:.0f} s: ffmpeg was stopped."
        ) from error


def _expected_sec(track: AudioTrack) -> float:
    """Return the seconds from the first video frame to the end of the sound."""
    return max(0.0, track.start_offset_sec + track.duration_sec)


def _complaint(stderr: bytes, container: str, codec: str) -> str:
    """Return the first message of demuxer or audio decoder; the picture's decoders complain too."""
    source = re.compile(
        rf"\[((in#0|aist#|Parsed_)[^\]]*|({re.escape(container)}|{re.escape(codec)}) @[^\]]*)\]"
        r" *(\[[^\]]*\] *)*(?P<message>.+)"
    )
    matches = (source.match(line) for line in stderr.decode(errors="replace").splitlines())
    messages = (match["message"].strip() for match in matches if match)
    return next((message for message in messages if SHUT not in message), "")


def _failure(media: Media, result: ProcessResult, complaint: str, bounds: Bounds, output: Path) -> Step4Error:
    """Say why ffmpeg failed."""
    stderr = result.stderr.decode(errors="replace").strip()
    if "No space left on device" in stderr:
        return StorageError(
            f"The decoded audio of {media.path.name!r} does not fit into {output.parent}: No space left on device. "
            "Free some there."
        )
    if "File too large" in stderr:
        return MediaError(
            f"{media.path.name!r} decodes to more than its container promises or its limits allow: "
            f"{bounds.output_bytes} bytes would be accepted."
        )
    if "Cannot allocate memory" in stderr:
        return MediaError(f"{media.path.name!r} needs more than {bounds.memory_bytes >> 20} MiB of memory to decode.")
    said = [line for line in stderr.splitlines() if "Last message repeated" not in line and SHUT not in line]
    reason = complaint or (said or ["no message"])[-1]
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

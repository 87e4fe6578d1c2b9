"""Compress the part of a recording that a page can play: never more than a page can carry."""

import base64
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.engine.core.errors import EngineError
from tasks.engine.media.ffmpeg_command import executable
from tasks.engine.media.limits import MediaLimits
from tasks.engine.system import sandbox

MAX_SEC = 20 * 60.0
"""Longest clip: at 32 kbit/s 4.8 MB, and a third more as base64."""

BIT_RATE = "32k"
"""Bits a second, as ffmpeg reads it."""


@dataclass(frozen=True, slots=True)
class AudioClip:
    """Compressed sound that a page can hold.

    Attributes:
        start: seconds into the recording.
        end: seconds into the recording.
        address: the sound as a `data:` URL.
    """

    start: float
    end: float
    address: str


def encode_clip(samples: NDArray[np.float32], sample_rate: int, around: float, max_sec: float = MAX_SEC) -> AudioClip:
    """Compress a recording as AAC, or as much of it around an instant as a page can carry.

    Args:
        samples: (samples,) mono.
        sample_rate: Hz.
        around: middle of the clip, seconds.
        max_sec: longest clip, seconds.

    Raises:
        EngineError: ffmpeg is missing or fails.
    """
    duration = len(samples) / sample_rate
    start = min(max(0.0, around - max_sec / 2), max(0.0, duration - max_sec))
    part = samples[round(start * sample_rate) : round((start + max_sec) * sample_rate)]
    with tempfile.TemporaryDirectory() as folder:
        raw, target = Path(folder) / "samples.f32", Path(folder) / "sound.m4a"
        # Quiet recordings are the ones that drift: raise them to a level that can be heard.
        (part / max(float(np.abs(part).max(initial=0)), 1e-9) * 0.9).astype("<f4").tofile(raw)
        _compress(raw, target, sample_rate)
        address = "data:audio/mp4;base64," + base64.b64encode(target.read_bytes()).decode("ascii")
    return AudioClip(start, start + len(part) / sample_rate, address)


def _compress(raw: Path, target: Path, sample_rate: int) -> None:
    source = ["-f", "f32le", "-ar", str(sample_rate), "-ac", "1", "-i", f"file:{raw}"]
    sink = ["-c:a", "aac", "-b:a", BIT_RATE, "-movflags", "+faststart", "-f", "mp4", f"file:{target}"]
    command = [executable(), "-nostdin", "-hide_banner", "-v", "error", "-y", *source, *sink]
    result = sandbox.run(command, MediaLimits().bounds(raw.stat().st_size))
    if result.returncode:
        raise EngineError(f"ffmpeg could not compress the sound: {result.stderr.decode(errors='replace')[:200]}")

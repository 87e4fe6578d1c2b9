"""Small videos with a known sound at a known time, made by ffmpeg when a test asks, and ways to spoil them."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from tasks.engine.system.sandbox import Bounds

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
SECONDS = 5
BURST = (2.0, 2.5)
"""Seconds of the sound between which a 1 kHz tone is heard, before any shift by the container."""


def ffmpeg(*arguments: str | Path) -> None:
    """Run ffmpeg; its own message is the test's failure."""
    command = [FFMPEG, "-nostdin", "-hide_banner", "-v", "error", "-y", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert not done.returncode, done.stderr.decode()


def picture(rate: str = "25", seconds: float = SECONDS) -> list[str]:
    """Input arguments: a moving test picture, 64x36."""
    return ["-f", "lavfi", "-i", f"testsrc=size=64x36:rate={rate}:duration={seconds}"]


def burst(rate: int = 44100, channels: int = 1, seconds: float = SECONDS, at: tuple[float, float] = BURST) -> list[str]:
    """Input arguments: silence with a tone of amplitude 0.5 in every channel."""
    one = f"0.5*sin(2000*PI*t)*between(t\\,{at[0]}\\,{at[1]})"
    return ["-f", "lavfi", "-i", f"aevalsrc={'|'.join([one] * channels)}:s={rate}:d={seconds}"]


def noise(rate: int = 44100, seconds: float = SECONDS) -> list[str]:
    """Input arguments: white noise, which fills a file with audio bytes."""
    return ["-f", "lavfi", "-i", f"anoisesrc=amplitude=0.3:sample_rate={rate}:duration={seconds}:seed=1"]


VIDEO_CODECS = {".webm": "libvpx", ".avi": "mpeg4", ".flv": "flv", ".ogg": "libtheora"}
AUDIO_ONLY = (".mp3", ".m4a", ".flac", ".wav", ".opus", ".oga", ".aac")


def clip(path: Path, sound: list[str] | None = None, codec: str = "", rate: str = "25", *extra: str | Path) -> Path:
    """A video of that frame rate with that sound, or just the sound where the name is that of an audio file."""
    audio_only = path.suffix in AUDIO_ONLY
    inputs = [*([] if audio_only else picture(rate)), *(burst() if sound is None else sound)]
    video = [] if audio_only else ["-c:v", VIDEO_CODECS.get(path.suffix, "libx264")]
    ffmpeg(*inputs, *video, *(["-c:a", codec] if codec else []), *extra, path)
    return path


def decoded_times(path: Path) -> NDArray[np.float64]:
    """Presentation times of the frames that decoding yields, the first at 0: an independent count of them."""
    with av.open(str(path)) as container:
        frames = [(frame.pts or 0) * frame.time_base for frame in container.decode(container.streams.video[0])]
    return np.array([float(time - frames[0]) for time in frames])


def heard(samples: NDArray[np.float32], rate: int = 16000) -> tuple[float, float]:
    """Seconds between which the burst is heard: where its 5 ms level passes half of the loudest."""
    level = np.sqrt(np.convolve(np.square(samples, dtype=np.float64), np.ones(80) / 80, mode="same"))
    loud = np.flatnonzero(level > level.max() / 2)
    return float(loud[0] / rate), float((loud[-1] + 1) / rate)


def cut(path: Path, share: float) -> Path:
    """Keep only the first part of a file."""
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return path


def spoil(path: Path, share: float = 0.5, count: int = 3000) -> Path:
    """Overwrite bytes in the middle of a file with others."""
    content = bytearray(path.read_bytes())
    at = int(len(content) * share)
    content[at : at + count] = np.random.default_rng(1).bytes(count)
    path.write_bytes(content)
    return path


def overwrite(path: Path, mark: bytes, skip: int, value: bytes) -> Path:
    """Put ``value`` in place ``skip`` bytes after the first ``mark``."""
    content = bytearray(path.read_bytes())
    at = content.index(mark) + skip
    content[at : at + len(value)] = value
    path.write_bytes(content)
    return path


@dataclass
class FakeRunner:
    """Stands in for ffmpeg: writes what it is told to the last argument and ends as it is told."""

    output: bytes = b""
    returncode: int = 0
    stderr: bytes = b""
    raises: Callable[[list[str], float], BaseException] | None = None

    def __call__(self, arguments: list[str], bounds: Bounds, _stdout: object = None) -> Any:
        """Leave the output behind as a real process would, then fail or return."""
        target = next(part for part in reversed(arguments) if part.startswith("file:"))
        Path(target.removeprefix("file:")).write_bytes(self.output)
        if self.raises:
            raise self.raises(arguments, bounds.wall_sec)
        return subprocess.CompletedProcess(arguments, self.returncode, b"", self.stderr)


def bytes_of(path: Path, content: bytes) -> Path:
    """A file of just these bytes."""
    path.write_bytes(content)
    return path

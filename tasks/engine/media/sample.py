"""The real two-speaker recording that pyannote.audio ships, as samples and as demonstration clips."""

import sys
import wave
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.engine.core.errors import ModelError

QUIET = 1e-4
"""A ten-thousandth of the recorded level: -80 dB, where FP16 loses the waveform."""

QUIET_FROM_SEC = 14
"""Both speakers are heard from here on; what is before it costs a CPU in FP16 half a minute."""


def recording_path() -> Path:
    """Return `sample.wav` of pyannote.audio (MIT): 30 s, 16 kHz mono, with its reference `sample.rttm` beside it.

    It is found without importing pyannote, which takes ten seconds.

    Raises:
        ModelError: it is not installed.
    """
    spec = find_spec("pyannote")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "audio" / "sample" / "sample.wav"
        if path.is_file():
            return path
    raise ModelError("the recording that pyannote.audio ships is missing: expected it beside the installed package")


def recording() -> NDArray[np.float32]:
    """Read it as (480000,) float32, mono, 16 kHz, -1 to 1."""
    with wave.open(str(recording_path())) as file:
        steps = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    return (steps / np.float32(32768)).astype(np.float32)


def make_clips(folder: Path) -> None:
    """Write `clip.mp4`, 25 frames a second with the recording as its sound, and `quiet.mkv`, its end at -80 dB.

    The quiet clip's sound is 32-bit float: no lossy codec would keep it.
    """
    import ffmpeg  # noqa: PLC0415  # the recording itself needs no ffmpeg

    from tasks.engine.media.ffmpeg_command import executable  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True)
    picture = ffmpeg.input("testsrc2=size=320x180:rate=25:duration=30", f="lavfi")
    sound = ffmpeg.input(str(recording_path())).audio
    clips = {
        "clip.mp4": (0, sound, {"acodec": "aac", "audio_bitrate": "128k"}),
        "quiet.mkv": (QUIET_FROM_SEC, sound.filter("volume", QUIET, precision="float"), {"acodec": "pcm_f32le"}),
    }
    for name, (start, audio, options) in clips.items():
        path = folder / name
        stream = ffmpeg.output(picture, audio, str(path), vcodec="libx264", preset="ultrafast", ss=start, **options)
        stream.global_args("-v", "error", "-nostdin").overwrite_output().run(cmd=executable())
        print(path)  # noqa: T201  # run from the Makefile


if __name__ == "__main__":
    make_clips(Path(sys.argv[1]))

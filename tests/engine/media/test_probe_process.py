"""The sandboxed probe: its answers come back unchanged, and are not trusted."""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from field_pictures import write_fields
from media_samples import AUDIO_ONLY, burst, clip, ffmpeg
from probing import probed_here

from tasks.engine.core.errors import MediaError, StorageError
from tasks.engine.core.frames import FrameGrid
from tasks.engine.media.containers import Media
from tasks.engine.media.limits import MediaLimits
from tasks.engine.media.probe_process import crash, decode, encode, examine
from tasks.engine.media.tracks import AudioTrack
from tasks.engine.system.sandbox import Bounds, run

PATH = Path("/videos/clip.mkv")
TRACK = AudioTrack(1, "aac", 44100, 2, -0.5, 5.0, 0.25)
UNEVEN = FrameGrid(3, Fraction(25), np.array([0.0, 0.05, 0.1]), end_sec=7.5)


def fields(path: Path) -> Path:
    """Two seconds of H.264 in packets of a field each."""
    ffmpeg("-f", "h264", "-i", write_fields(path.with_suffix(".h264"), "f" * 50), "-c", "copy", path)
    return path


SAMPLES: dict[str, Callable[[Path], Path]] = {
    **{f"clip{suffix}": clip for suffix in (".mp4", ".mov", ".mkv", ".webm", ".avi", ".ts", ".flv", *AUDIO_ONLY)},
    "clip.mpg": lambda path: clip(path, burst(), "mp2"),
    "clip.ogv": lambda path: clip(path, burst(), "libvorbis", "25", "-c:v", "libtheora"),
    "fields.mts": fields,
    "hevc.ts": lambda path: clip(path, burst(), "aac", "25", "-c:v", "libx265", "-x265-params", "log-level=none"),
    "mpeg2.ts": lambda path: clip(path, burst(), "mp2", "25", "-c:v", "mpeg2video", "-bf", "2"),
}


def media(grid: FrameGrid, audio: AudioTrack | None) -> Media:
    """What a probe finds."""
    return Media(PATH, 9, "0" * 64, "matroska,webm", grid, grid.pts is not None, False, 0.5, audio, 2, 7)  # noqa: FBT003


@pytest.mark.parametrize("audio", [TRACK, None])
@pytest.mark.parametrize("grid", [UNEVEN, FrameGrid(9, Fraction(30000, 1001)), FrameGrid(0, Fraction(25))])
def test_an_answer_comes_back(grid: FrameGrid, audio: AudioTrack | None) -> None:
    """Encode and decode keep every field, times bit by bit."""
    message = encode(media(grid, audio))
    back = decode(PATH, message)

    assert encode(back) == message
    assert (back.path, back.grid.fps, back.grid.count, back.audio) == (PATH, grid.fps, grid.count, audio)
    assert back.grid.end_sec == grid.end_sec


@pytest.mark.parametrize(("refused", "kind"), [("MediaError", MediaError), ("StorageError", StorageError)])
def test_a_refusal_is_raised_again(refused: str, kind: type[Exception]) -> None:
    """With its class and its sentence."""
    with pytest.raises(kind, match=r"^too long$"):
        decode(PATH, json.dumps({"refused": refused, "reason": "too long"}).encode())


@pytest.mark.parametrize(
    "change",
    [
        {"refused": "SystemExit", "reason": "x"},
        {"size": "9"},
        {"variable_frame_rate": 1},
        {"video_start": float("nan")},
        {"video_start": 10**400},
        {"count": -1},
        {"count": 4},
        {"fps": [25, 0]},
        {"fps": [-25, 1]},
        {"audio": {"index": 0}},
        {"audio": []},
        {"counted_by": "guessing"},
        {"counted_why": None},
        {"end_sec": 0.05},
        {"end_sec": float("inf")},
    ],
    ids=str,
)
def test_an_answer_that_makes_no_sense_is_a_refusal(change: dict[str, object]) -> None:
    """The file may have taken the process over: every value is checked, and no other class can be raised."""
    header, _, body = encode(media(UNEVEN, TRACK)).partition(b"\n")
    message = json.dumps(json.loads(header) | change).encode() + b"\n" + body
    with pytest.raises(MediaError, match="the answer makes no sense"):
        decode(PATH, message)


@pytest.mark.parametrize("times", [[0.0, 0.1, 0.05], [0.0, float("nan"), 0.1], [0.0, 0.1]])
def test_times_that_are_none_are_refused(times: list[float]) -> None:
    """Frames show one after the other, at finite times, each at one."""
    header = encode(media(UNEVEN, TRACK)).partition(b"\n")[0]
    with pytest.raises(MediaError, match="no times of frames"):
        decode(PATH, header + b"\n" + np.array(times).tobytes())


def test_a_probe_answers_from_its_process(tmp_path: Path) -> None:
    """Of a real clip: its frames, its sound, its size."""
    video = clip(tmp_path / "clip.mp4")
    answer = examine(video, video.stat().st_size, MediaLimits())

    assert (answer.path, answer.size, answer.grid.count, answer.grid.fps) == (video, video.stat().st_size, 125, 25)
    assert answer.audio is not None


@pytest.mark.parametrize("name", SAMPLES)
def test_its_process_reads_what_would_be_read_here(tmp_path: Path, name: str) -> None:
    """In the containers that people have, and of the codecs of broadcasts: the sandbox takes nothing away."""
    video = SAMPLES[name](tmp_path / name)
    inside, here = (examine(video, video.stat().st_size, MediaLimits(), runner) for runner in (run, probed_here))

    assert encode(inside) == encode(here)
    assert inside.grid.count > 0


class Crashed:
    """A process that ended without an answer."""

    def __init__(self, returncode: int, stderr: bytes) -> None:
        self.returncode, self.stderr = returncode, stderr


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (Crashed(1, b"Traceback\nMemoryError\n"), "needs more than 4096 MiB of memory"),
        (Crashed(-11, b""), r"ended with -11 \(no message\)"),
        (Crashed(-24, b"x"), "used more than 30 s of CPU time"),
    ],
)
def test_a_crash_is_a_refusal(result: Crashed, reason: str) -> None:
    """With the limit or the signal that ended the process."""
    with pytest.raises(MediaError, match=reason):
        raise crash(PATH, result, Bounds(60, 30, 4096 << 20, 0))

"""The command that decodes one track, and what it prints of times."""

import itertools
import subprocess
from pathlib import Path

import pytest
from decoding import examined
from media_samples import FFMPEG, burst, clip

from tasks.engine.core.constants import SAMPLE_RATE
from tasks.engine.media.ffmpeg_command import arguments_for, begins, executable, frames


def test_names_are_no_options(tmp_path: Path) -> None:
    """Input and output stand behind `file:`, whatever bytes they are made of, and neither is read as a pattern."""
    media = examined(clip(tmp_path / "a%d.wav"))
    output = tmp_path / "out\udce9 %d"
    assert media.audio
    arguments = arguments_for(media, media.audio, output, "ffmpeg")
    assert f"file:{media.path}" in arguments
    assert f"file:{output}" in arguments


@pytest.mark.parametrize("binary", sorted({FFMPEG, executable()}))
@pytest.mark.parametrize("channels", [1, 2])
def test_every_ffmpeg_prints_times(tmp_path: Path, binary: str, channels: int) -> None:
    """The filters begin once; frame by frame, the printed lengths are all that was written, one after the other."""
    media = examined(clip(tmp_path / "clip.mkv", burst(channels=channels), "ac3"))
    assert media.audio
    output = tmp_path / "out"
    command = arguments_for(media, media.audio, output, binary)
    assert begins(subprocess.run(command, capture_output=True, check=True).stdout.splitlines()) == 1

    pieces = arguments_for(media, media.audio, output, binary, piecewise=True)
    printed = subprocess.run(pieces, capture_output=True, check=True).stdout
    times = list(frames(printed.splitlines()))
    assert sum(count for _, count in times) == output.stat().st_size // 4 // channels
    assert all(start == before + count for (before, count), (start, _) in itertools.pairwise(times))
    assert abs(times[0][0]) < 0.1 * SAMPLE_RATE

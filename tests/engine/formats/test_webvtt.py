"""Turns as WebVTT."""

import re
import subprocess
from pathlib import Path

from hypothesis import example, given, settings
from turn_lists import TURNS, assert_close, turn_lists

from tasks.engine.core.turns import Turn
from tasks.engine.formats import webvtt
from tasks.engine.media.ffmpeg_command import executable


@settings(deadline=None)
@given(turns=turn_lists)
@example(turns=[Turn(0.0, 0.0, "<v A>&amp;-->"), Turn(1.0, 2.0, "NOTE\n\nWEBVTT"), Turn(3600.5, 360000.0, "")])
def test_webvtt_comes_back(folder: Path, turns: list[Turn]) -> None:
    """Write → read keeps names on one line and times to the millisecond, of which every cue lasts one at least."""
    webvtt.write(folder / "clip.vtt", turns)
    back = webvtt.read(folder / "clip.vtt")

    assert_close(back, turns, 0.0016)
    assert all(turn.duration > 0 for turn in back)


def test_webvtt_py_and_ffmpeg_read_the_webvtt(tmp_path: Path) -> None:
    """A library and a player that are not ours find the same cues and voices."""
    import webvtt as webvtt_py

    path = tmp_path / "clip.vtt"
    webvtt.write(path, [*TURNS, Turn(3600.0, 3601.0, "A & <B>")])
    cues = webvtt_py.read(path)
    command = [executable(), "-v", "error", "-i", path, "-f", "srt", "-"]
    subtitles = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert [(cue.start, cue.end) for cue in cues] == [
        ("00:00:00.400", "00:00:01.200"),
        ("00:00:01.000", "00:00:03.000"),
        ("01:00:00.000", "01:00:01.000"),
    ]
    assert [cue.voice for cue in cues][:2] == ["SPEAKER_00", "SPEAKER_01"]
    assert re.findall(r"\d\d:\S+ --> \S+", subtitles)[0] == "00:00:00,400 --> 00:00:01,200"
    assert "SPEAKER_01" in subtitles

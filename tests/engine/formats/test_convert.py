"""Every format that is exported looks as defined, and is read back."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from turn_lists import TURNS

from tasks.engine.core.frames import FrameGrid
from tasks.engine.core.timeline import Timeline, timeline_of, turns_of
from tasks.engine.core.turns import Turn
from tasks.engine.formats import turns_parquet
from tasks.engine.formats.convert import FORMATS, export, write
from tasks.engine.formats.detect import load, read
from tasks.engine.formats.timeline_parquet import write_timeline


def test_each_format_looks_as_its_definition_says(tmp_path: Path) -> None:
    """The texts in full."""
    texts = {
        "csv": "start_sec,end_sec,speaker\n0.4,1.2,SPEAKER_00\n1.0,3.0,SPEAKER_01\n",
        "webvtt": "WEBVTT\n\n00:00:00.400 --> 00:00:01.200\n<v SPEAKER_00>SPEAKER_00\n\n"
        "00:00:01.000 --> 00:00:03.000\n<v SPEAKER_01>SPEAKER_01\n",
        "audacity": "0.400000\t1.200000\tSPEAKER_00\n1.000000\t3.000000\tSPEAKER_01\n",
    }
    table = timeline_of(TURNS, None, FrameGrid(80, Fraction(25)))
    for name, text in texts.items():
        write(table, TURNS, name, tmp_path / name, "clip.mp4")
        assert (tmp_path / name).read_text(encoding="utf-8") == text


@pytest.mark.parametrize("to", FORMATS)
def test_every_exported_format_is_read_by_its_content(tmp_path: Path, to: str) -> None:
    """Whatever the file is called; the frames are those of the turns."""
    table = timeline_of(TURNS, None, FrameGrid(80, Fraction(25)))
    write(table, TURNS, to, tmp_path / "x", "clip.mp4")
    frames = None if to == "audio-json" else 80
    back = load(tmp_path / "x", frames=frames)

    assert back.speakers == table.speakers
    assert np.array_equal(back.active, table.active)


@pytest.mark.parametrize("rate", ["25", "30000/1001", "24000/1001", "7/3"])
@pytest.mark.parametrize("to", FORMATS)
def test_no_format_lets_a_turn_end_after_its_recording(tmp_path: Path, to: str, rate: str) -> None:
    """Speech to the very end of 100 frames: whatever the digits of a format, it ends there; turns that meet do so."""
    grid = FrameGrid(100, Fraction(rate))
    middle = grid.duration / 3
    turns = [Turn(0.1, middle, "A"), Turn(middle, grid.duration, "B")]
    write(timeline_of(turns, None, grid), turns, to, tmp_path / "x", "clip.mp4")
    content = read(tmp_path / "x", grid.fps)
    back = turns_of(content) if isinstance(content, Timeline) else content

    assert max(turn.end for turn in back) <= grid.duration + 1e-12
    ((ends, starts),) = [(a.end, b.start) for a in back for b in back if (a.speaker, b.speaker) == ("A", "B")]
    assert ends == pytest.approx(starts, abs=1e-12)


def test_meeteval_sums_an_rttm_to_no_more_than_the_recording(tmp_path: Path) -> None:
    """Onset and duration are rounded apart in other writers: a reader that is not ours adds them, exactly."""
    reason = "meeteval is published as source alone and wants a C++ compiler: pip install meeteval to run this"
    meeteval_io = pytest.importorskip("meeteval.io", reason=reason)
    end = 100 * 1001 / 30000
    turns = [Turn(k / 7, end, f"S{k}") for k in range(1, 20)]
    write(timeline_of(turns, None, FrameGrid(100, Fraction(30000, 1001))), turns, "rttm", tmp_path / "x.rttm", "clip")

    assert max(line.begin_time + line.duration for line in meeteval_io.load(tmp_path / "x.rttm")) <= end


@pytest.mark.parametrize("to", FORMATS)
def test_every_format_can_say_who_speaks_alone(tmp_path: Path, to: str) -> None:
    """The turns that a run published beside the timeline, on its frames, under the video's name."""
    alone = [Turn(0.4, 1.0, "SPEAKER_00"), Turn(1.0, 3.0, "SPEAKER_01")]
    table = replace(timeline_of(TURNS, None, FrameGrid(80, Fraction(25))), video_filename="clip.mp4")
    write_timeline(tmp_path / "clip_timeline.parquet", table)
    turns_parquet.write(tmp_path / "clip_exclusive.parquet", alone, {})
    export(tmp_path / "clip_timeline.parquet", to, tmp_path / "x", tmp_path / "clip_exclusive.parquet", exclusive=True)
    frames = None if to == "audio-json" else 80

    assert load(tmp_path / "x", frames=frames).active.sum(axis=1).max() == 1
    assert "clip" in (tmp_path / "x").read_text() or to not in {"rttm", "audio-json"}

"""Every format that is exported looks as defined, and is read back."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from turn_lists import TURNS

from tasks.engine.core.frames import FrameGrid
from tasks.engine.core.timeline import timeline_of
from tasks.engine.formats.convert import FORMATS, write
from tasks.engine.formats.detect import load


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

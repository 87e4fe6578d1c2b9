"""Frames of an `_audio.json`, one at a time."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.engine.core.errors import UsageError
from tasks.engine.formats.audio_json_frames import FrameReader


def frame(number: int, *labels: str, **info: Any) -> dict[str, Any]:
    """One frame as the file lists it."""
    return {
        "frame": number,
        "audio_info": {"is_speech_present": bool(labels), "active_speaker_labels": [*labels], **info},
    }


def test_every_frame_is_a_row() -> None:
    """Labels become sorted columns; a time that is not stated is NaN; the count defaults to the labels."""
    reader = FrameReader(Path("x.json"))
    for entry in (frame(1, "B"), frame(2, timecode_sec=0.5), frame(3, "B", "A", num_distinct_speakers_audio=7)):
        reader(entry)
    speakers, active = reader.activity()

    assert speakers == ("A", "B")
    assert active.tolist() == [[False, True], [False, False], [True, True]]
    assert (reader.speech.tolist(), reader.counts.tolist()) == ([1, 0, 1], [1, 0, 7])
    np.testing.assert_equal(reader.times.tolist(), [np.nan, 0.5, np.nan])


def test_more_frames_than_the_limit_are_refused() -> None:
    """A small gzip file can unfold to more frames than the memory holds."""
    reader = FrameReader(Path("x.json"), max_frames=2)
    reader(frame(1))
    reader(frame(2))
    with pytest.raises(UsageError, match="more than 2 frames"):
        reader(frame(3))


@pytest.mark.parametrize("time", [True, "0", float("inf"), float("nan"), 10**400])
def test_times_that_are_no_seconds_are_refused(time: object) -> None:
    """Also an integer that no float holds, which JSON allows."""
    with pytest.raises(UsageError, match=r"frame 1: timecode_sec is .*, finite seconds are needed"):
        FrameReader(Path("x.json"))(frame(1, timecode_sec=time))

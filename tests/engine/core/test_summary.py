"""Speech and speakers in a few numbers."""

from fractions import Fraction

import numpy as np
import pytest

from tasks.engine.core.frames import FrameGrid
from tasks.engine.core.summary import UNNAMED, Summary, SummaryAccumulator, with_turns
from tasks.engine.core.timeline import rows, summarise
from tasks.engine.core.turns import SpeechScores, Turn

NO_SCORES = SpeechScores(np.zeros(0, np.float32), 0.0, 1.0)


def test_batches_add_up() -> None:
    """Two batches with other columns count as one table; speech without a label is the unnamed speaker's."""
    accumulator = SummaryAccumulator(Fraction(2))
    accumulator.add(np.array([0.0, 0.5]), np.array([False, True]), ["A"], np.array([[False], [True]]))
    accumulator.add(np.array([1.0, 1.5]), np.array([True, True]), ["B", "A"], np.array([[True, True], [False, False]]))
    summary = accumulator.summary()

    assert (summary.frames, summary.speech_frames, summary.percent, summary.first_speech_sec) == (4, 3, 75.0, 0.5)
    assert [(share.name, share.seconds) for share in summary.speakers] == [("A", 1.0), ("B", 0.5), (UNNAMED, 0.5)]
    assert [share.percent for share in summary.speakers] == [200 / 3, 100 / 3, 100 / 3]


def test_summary_of_silence() -> None:
    """No speech: no first instant, no speaker, 0 %; also without any frame."""
    for frames in (0, 5):
        summary = summarise(rows([], NO_SCORES, FrameGrid(frames, Fraction(25))), Fraction(25))

        assert (summary.frames, summary.percent, summary.first_speech_sec, summary.speakers) == (frames, 0, None, ())


HELD = np.array([*np.arange(5) / 25, *(8.0 + np.arange(95) / 25)])
"""100 frames in 11.8 s: the fifth, at 0.16 s, is held until 8 s."""


@pytest.mark.parametrize("batch", [1, 5, 100])
def test_a_held_frame_counts_for_as_long_as_it_shows(batch: int) -> None:
    """One frame of a hundred with speech is 7.84 s of 11.8 s, however frames come in batches."""
    accumulator = SummaryAccumulator(Fraction(100) / Fraction("11.8"))
    speech = np.arange(100) == 4
    for first in range(0, 100, batch):
        part = speech[first : first + batch]
        accumulator.add(HELD[first : first + batch], part, ["A"], part[:, None])
    summary = accumulator.summary()

    assert (summary.speech_frames, summary.percent) == (1, 1.0)
    assert (summary.speech_sec, summary.speakers[0].seconds) == (7.84, 7.84)
    assert summary.time_percent == pytest.approx(100 * 7.84 / 11.8, abs=0.5)
    assert summary.speakers[0].percent == 100


@pytest.mark.parametrize("rate", [Fraction(30000, 1001), Fraction(24), Fraction(1, 3)])
def test_at_a_constant_rate_seconds_are_frames(rate: Fraction) -> None:
    """Times rounded to 1 ms, as containers round them, change no figure."""
    times = np.round(np.arange(1000) / float(rate), 3)
    accumulator = SummaryAccumulator(rate)
    accumulator.add(times, np.arange(1000) < 50, ["A"], (np.arange(1000) < 50)[:, None])
    summary = accumulator.summary()

    assert summary.time_percent == summary.percent == 5.0
    assert summary.speech_sec == summary.speakers[0].seconds == float(50 / rate)


def test_turns_say_how_long_somebody_speaks() -> None:
    """Not the frames that they happen to cover: a held frame hides turns, shows one, or shows what two share."""
    frames = Summary(100, 1, 1.0, 0.16, (), 0.4, 4.0)
    turns = [Turn(0.5, 2.0, "A"), Turn(1.0, 3.0, "B"), Turn(2.5, 3.5, "A"), Turn(9.0, 11.0, "C"), Turn(12.0, 13.0, "D")]
    summary = with_turns(frames, turns, 10.0)

    assert [(share.name, share.seconds) for share in summary.speakers] == [("A", 2.5), ("B", 2.0), ("C", 1.0)]
    assert [share.percent for share in summary.speakers] == [62.5, 50.0, 25.0]
    assert (summary.speech_sec, summary.time_percent, summary.frames) == (4.0, 40.0, 100)


def test_times_that_are_none_add_up_to_nothing() -> None:
    """A damaged file's times are no seconds, and no error either."""
    accumulator = SummaryAccumulator(Fraction(25))
    accumulator.add(np.array([0.0, np.nan, np.inf]), np.ones(3, bool), ["A"], np.ones((3, 1), bool))

    assert accumulator.summary().speech_frames == 3

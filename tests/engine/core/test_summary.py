"""Speech and speakers in a few numbers."""

from fractions import Fraction

import numpy as np

from tasks.engine.core.frames import FrameGrid
from tasks.engine.core.summary import UNNAMED, SummaryAccumulator
from tasks.engine.core.timeline import rows, summarise
from tasks.engine.core.turns import SpeechScores

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

"""Turns and speech scores."""

import numpy as np
import pytest

from tasks.engine.core.turns import SpeechScores, Turn, end_at, within


def test_turns_sort_by_start_end_and_speaker() -> None:
    """The score does not count, neither in order nor in equality."""
    turns = [Turn(1.0, 2.0, "A"), Turn(0.0, 2.0, "B"), Turn(0.0, 1.0, "B"), Turn(0.0, 1.0, "A", 0.9)]

    assert sorted(turns) == turns[::-1]
    assert Turn(0.0, 1.5, "A", 0.1) == Turn(0.0, 1.5, "A", 0.9)
    assert Turn(0.5, 2.0, "A").duration == 1.5


def test_scores_are_those_of_the_nearest_model_frame() -> None:
    """Centres at 1.0, 1.5, 2.0 s; nothing is extrapolated beyond half a step, and no scores are no speech."""
    scores = SpeechScores(np.array([0.1, 0.2, 0.3], np.float32), 1.0, 0.5)
    at = scores.at(np.array([0.7, 0.8, 1.2, 1.3, 2.2, 2.3]))

    assert at.dtype == np.float32
    assert at.tolist() == pytest.approx([0.0, 0.1, 0.1, 0.2, 0.3, 0.0])
    assert SpeechScores(np.zeros(0, np.float32), 0.0, 1.0).at(np.array([0.0, 1.0])).tolist() == [0.0, 0.0]


def test_turns_end_with_the_recording() -> None:
    """What goes on beyond is cut, what begins there or later is not there; scores are kept."""
    turns = [Turn(0.0, 1.0, "A"), Turn(0.5, 3.0, "B", 0.7), Turn(2.0, 2.5, "A"), Turn(2.5, 3.0, "B")]

    assert list(end_at(turns, 2.0)) == [Turn(0.0, 1.0, "A"), Turn(0.5, 2.0, "B")]
    assert [turn.mean_score for turn in end_at(turns, 2.0)] == [0.0, 0.7]
    assert list(end_at(turns, 0.0)) == []


def test_turns_within_others_are_of_the_same_speaker() -> None:
    """Another speaker's turn is no reason to keep one, nor is one that ends as it begins."""
    around = [Turn(2.0, 4.0, "A"), Turn(0.0, 1.0, "A"), Turn(0.0, 9.0, "B")]
    kept = [Turn(0.0, 0.5, "A"), Turn(3.0, 3.5, "A"), Turn(8.0, 9.0, "B")]
    left = [Turn(1.0, 1.5, "A"), Turn(5.0, 6.0, "A"), Turn(9.0, 9.5, "B"), Turn(0.0, 1.0, "C")]

    assert list(within(kept + left, around)) == kept

"""The excerpt on which a drift is computed again: long enough to be telling, and heard as the run heard it."""

from dataclasses import fields, replace
from fractions import Fraction

import numpy as np
import pytest
from speech import cpu_plan

from tasks.engine.core.constants import SAMPLE_RATE
from tasks.engine.core.frames import FrameGrid
from tasks.engine.core.turns import Turn
from tasks.engine.diagnosis.patching import EXCERPT_SEC, drifts, excerpt, heard
from tasks.engine.gate.tolerance import Tolerance
from tasks.engine.inference.types import Diarization
from tasks.engine.testing import scores_of

LOUD_THEN_QUIET = np.concatenate(
    [
        np.random.default_rng(0).normal(0, level, int(seconds * SAMPLE_RATE))
        for level, seconds in ((0.1, 300), (1e-4, 200))
    ]
).astype(np.float32)


def test_a_quiet_part_is_heard_at_the_gain_of_the_whole_file() -> None:
    """The run brought the loud part to full scale; raising the quiet excerpt by itself would hide the drift."""
    piece = heard(LOUD_THEN_QUIET, 430, cpu_plan())

    assert len(piece) == EXCERPT_SEC * SAMPLE_RATE
    assert piece.std() == pytest.approx(1e-3, rel=0.05)


def test_a_candidate_without_the_level_rule_hears_what_was_recorded() -> None:
    """Then the two sides part at the samples, and that is what is to be found."""
    piece = heard(LOUD_THEN_QUIET, 430, cpu_plan(level="none"))

    assert np.array_equal(piece, excerpt(LOUD_THEN_QUIET, 430))


def test_an_excerpt_begins_on_a_whole_second_inside_the_file() -> None:
    """Windows then fall where they fell in the run, wherever the worst stretch lies."""
    seconds = np.arange(500 * SAMPLE_RATE, dtype=np.float64) / SAMPLE_RATE

    assert [excerpt(seconds, around)[0] for around in (0, 100.7, 250, 499)] == [0, 40, 190, 380]


def test_the_limits_of_the_report_decide() -> None:
    """A difference within the tolerance that the gate was given is no drift."""
    turn = Turn(1.0, 4.0, "SPEAKER_00")
    one, other = (Diarization((found,), scores_of((found,), 10), {}) for found in (turn, replace(turn, end=4.2)))
    grid = FrameGrid(250, Fraction(25))
    wide = Tolerance(**{limit.name: 100.0 for limit in fields(Tolerance)})

    assert drifts(one, other, grid, Tolerance())
    assert not drifts(one, other, grid, wide)

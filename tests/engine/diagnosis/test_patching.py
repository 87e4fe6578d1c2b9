"""Activation patching: the excerpt is long enough to be telling, and at the level at which the run heard it."""

from dataclasses import fields, replace

import numpy as np
import pytest
from speech import cpu_plan

from tasks.engine.core.constants import ASSUMED_FPS, SAMPLE_RATE
from tasks.engine.core.frames import FrameGrid
from tasks.engine.core.turns import Turn
from tasks.engine.diagnosis.patching import EXCERPT_SEC, drifts, excerpt, excerpt_at_level, identical, on_frames
from tasks.engine.gate.tolerance import Tolerance
from tasks.engine.inference.types import Diarization
from tasks.engine.testing import scores_of

LOUD_THEN_QUIET = np.concatenate(
    [
        np.random.default_rng(0).normal(0, level, int(seconds * SAMPLE_RATE))
        for level, seconds in ((0.1, 300), (1e-4, 200))
    ]
).astype(np.float32)


def test_a_quiet_part_keeps_the_gain_of_the_whole_file() -> None:
    """The run brought the loud part to full scale; raising the quiet excerpt by itself would hide the drift."""
    piece = excerpt_at_level(LOUD_THEN_QUIET, 430, cpu_plan())

    assert len(piece) == EXCERPT_SEC * SAMPLE_RATE
    assert piece.std() == pytest.approx(1e-3, rel=0.05)


def test_a_candidate_without_the_level_rule_hears_what_was_recorded() -> None:
    """Then the two sides part at the samples, and that is what is to be found."""
    piece = excerpt_at_level(LOUD_THEN_QUIET, 430, cpu_plan(level="none"))

    assert np.array_equal(piece, excerpt(LOUD_THEN_QUIET, 430))


def test_an_excerpt_begins_on_a_whole_second_inside_the_file() -> None:
    """Windows then fall where they fell in the run, wherever the worst stretch lies."""
    seconds = np.arange(500 * SAMPLE_RATE, dtype=np.float64) / SAMPLE_RATE

    assert [excerpt(seconds, around)[0] for around in (0, 100.7, 250, 499)] == [0, 40, 190, 380]


def test_the_limits_of_the_report_decide() -> None:
    """A difference within the tolerance that the gate was given is no drift."""
    turn = Turn(1.0, 4.0, "SPEAKER_00")
    shorter, longer = (Diarization((kept,), scores_of((kept,), 10), {}) for kept in (turn, replace(turn, end=4.2)))
    grid = FrameGrid(250, ASSUMED_FPS)
    wide = Tolerance(**{limit.name: 100.0 for limit in fields(Tolerance)})

    assert drifts(shorter, longer, grid, Tolerance())
    assert not drifts(shorter, longer, grid, wide)


def test_a_repeated_run_is_identical_only_bit_for_bit() -> None:
    """The last bit of one score is a difference: a reference that wavers cannot prove anything."""
    turn = Turn(1.0, 4.0, "SPEAKER_00")
    run = Diarization((turn,), scores_of((turn,), 10), {})
    values = run.scores.values.copy()
    values[0] = np.nextafter(values[0], np.float32(1))

    assert identical(run, replace(run, facts={"seconds": 3}))
    assert not identical(run, replace(run, scores=replace(run.scores, values=values)))
    assert not identical(run, replace(run, turns=()))


def test_a_diarization_is_laid_on_frames() -> None:
    """A frame is speech where its centre lies in a turn; the scores are those nearest to it."""
    turn = Turn(1.0, 4.0, "SPEAKER_00")
    timeline = on_frames(Diarization((turn,), scores_of((turn,), 10), {}), FrameGrid(250, ASSUMED_FPS))

    assert np.flatnonzero(timeline.speech)[[0, -1]].tolist() == [25, 99]
    assert timeline.speakers == ("SPEAKER_00",)
    assert timeline.scores is not None
    assert timeline.scores[[10, 50]].tolist() == pytest.approx([0.05, 0.95])

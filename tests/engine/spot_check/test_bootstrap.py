"""The candidate's windows with the drawn ones' errors."""

from dataclasses import replace

import numpy as np
import pytest

from tasks.engine.inference.window_outputs import Recomputed, WindowOutputs
from tasks.engine.spot_check import bootstrap
from tasks.engine.spot_check.bootstrap import FACTORS, OF_LONGEST, resampled

WINDOWS = WindowOutputs(
    np.ones((6, 10), np.float32), np.ones((6, 10, 1), np.uint8), np.arange(12, dtype=np.float32).reshape(6, 1, 2)
)
OFF = np.array([0.5, -0.25], np.float32)
NUMBERS = np.array([0, 5])


def sample(off: np.ndarray = OFF) -> Recomputed:
    """The reference's windows, all embeddings off by the same."""
    drawn = WINDOWS.at(NUMBERS)
    return Recomputed(NUMBERS, replace(drawn, embeddings=drawn.embeddings + off), 6, 0.0)


def test_others_are_moved_as_the_drawn_ones_differ() -> None:
    """The reference's embeddings where they are known; elsewhere a drawn difference, times each factor."""
    copies = [moved for _, moved in resampled(WINDOWS, sample(), 1)]

    assert len(copies) == len(FACTORS)
    for factor, copy in zip(FACTORS, copies, strict=True):
        assert np.array_equal(copy.embeddings[NUMBERS], sample().outputs.embeddings)
        assert np.allclose(copy.embeddings[1:5], WINDOWS.embeddings[1:5] + factor * OFF)
        assert copy.decisions is WINDOWS.decisions


def test_equal_sides_are_not_moved() -> None:
    """The same computation has no error to repeat."""
    for as_it_is, copy in resampled(WINDOWS, sample(0 * OFF), 1):
        assert as_it_is is WINDOWS
        assert np.array_equal(copy.embeddings, WINDOWS.embeddings)


def test_whoever_says_nothing_is_not_moved() -> None:
    """A silent speaker's embedding means nothing."""
    silent = replace(WINDOWS, decisions=WINDOWS.decisions * (np.arange(6) != 2).astype(np.uint8)[:, None, None])

    for _, copy in resampled(silent, sample(), 1):
        assert np.array_equal(copy.embeddings[2], WINDOWS.embeddings[2])


def test_where_nobody_is_heard_nothing_is_moved() -> None:
    """No drawn window says how far embeddings are off."""
    nobody = WindowOutputs.of(WINDOWS.speech, 0 * WINDOWS.decisions)

    assert not list(resampled(nobody, Recomputed(NUMBERS, nobody.at(NUMBERS), 6, 0.0), 1))
    quiet = replace(WINDOWS, decisions=0 * WINDOWS.decisions)
    assert not list(resampled(quiet, replace(sample(), outputs=quiet.at(NUMBERS)), 1))


def test_of_long_audio_some_windows_in_a_row_are_moved_each_time_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both sides are the same windows: clustering costs the square of their number."""
    monkeypatch.setattr(bootstrap, "LONGEST", 3)
    rows = []
    for as_it_is, copy in resampled(WINDOWS, sample(0 * OFF), 3):
        assert len(as_it_is) == 3
        assert np.array_equal(as_it_is.embeddings, copy.embeddings)
        rows.append(as_it_is.embeddings[:, 0, 0].tolist())
    starts = {row[0] for row in rows}

    assert len(rows) == len(OF_LONGEST)
    assert all(np.array_equal(np.diff(row), [2, 2]) for row in rows)
    assert len(starts) > 1

"""Windows on their own, with the real networks: what is computed again, and what follows from what was computed."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from speech import cpu_plan, recording

from tasks.engine.core.choices import Engine
from tasks.engine.inference.diarizer import diarize
from tasks.engine.inference.recomputation import lay_out, nearest_clusters, recompute, replay
from tasks.engine.inference.types import Diarization, Parameters
from tasks.engine.inference.window_outputs import WindowOutputs

pytestmark = pytest.mark.slow

ALL = Parameters()


@cache
def whole() -> Diarization:
    """The shipped recording, its windows kept."""
    return diarize(recording(), cpu_plan(), ALL, keep_windows=True)


def windows() -> WindowOutputs:
    """What the networks gave for it."""
    assert whole().windows is not None
    return whole().windows  # type: ignore[return-value]  # as asserted


def test_nothing_is_kept_unasked() -> None:
    """A run whose windows nobody wants does not hold them."""
    assert diarize(recording()[: 16000 * 11], cpu_plan(), ALL).windows is None


def test_chosen_windows_are_those_of_the_whole_run() -> None:
    """At uneven gaps and at both ends: equal to the whole run's but for rounding, whatever else is in the batch."""
    numbers = np.array([0, 9, 18, 20])
    again = recompute(recording(), cpu_plan(), ALL, lambda _windows, _overlap: numbers)

    assert again is not None
    assert again.windows == len(windows())
    assert np.allclose(again.outputs.speech, windows().speech[numbers], atol=1e-3)
    assert np.mean(again.outputs.decisions != windows().decisions[numbers]) < 1e-3
    assert np.allclose(again.outputs.embeddings, windows().embeddings[numbers], atol=1e-3)


@pytest.mark.parametrize("engine", Engine)
def test_a_replay_is_the_run(engine: Engine) -> None:
    """From the windows alone: turns and scores bit for bit, with no network; of both engines."""
    run = diarize(recording(), replace(cpu_plan(), engine=engine), ALL, keep_windows=True)
    assert run.windows is not None
    again = replay(run.windows, recording(), cpu_plan(), ALL)

    assert again.diarization.turns == run.turns
    assert np.array_equal(again.diarization.scores.values, run.scores.values)
    assert len(again.centroids) == len({turn.speaker for turn in run.turns})


def test_all_windows_laid_out_are_the_run() -> None:
    """With every window chosen, a layout's speech is the run's, and its turns but for who is who."""
    again = replay(windows(), recording(), cpu_plan(), ALL)
    clusters = nearest_clusters(windows(), again.centroids)
    laid = lay_out(windows(), np.arange(len(windows())), clusters, again.layout, ALL)

    assert np.array_equal(laid.scores.values, whole().scores.values)
    assert [(turn.start, turn.end) for turn in laid.turns] == [(turn.start, turn.end) for turn in whole().turns]


def test_a_tie_between_two_speakers_is_decided_as_the_other_side_does() -> None:
    """Half-way between two centroids the last bits decide: that is no difference; nearer to one, it is."""
    centroids = np.array([[1.0, 0.0], [0.0, 1.0]])
    vectors = np.array([[[1.0, 1.01]], [[1.0, 3.0]], [[1.0, 0.0]]], np.float32)
    outputs = WindowOutputs(np.ones((3, 4), np.float32), np.ones((3, 4, 1), np.uint8), vectors)

    assert nearest_clusters(outputs, centroids).ravel().tolist() == [1, 1, 0]
    assert nearest_clusters(outputs, centroids, np.zeros((3, 1), np.int64)).ravel().tolist() == [0, 1, 0]
    assert nearest_clusters(outputs, centroids, np.full((3, 1), -2)).ravel().tolist() == [1, 1, 0]


def test_a_silent_file_is_replayed() -> None:
    """Nobody speaks: no embedding was computed, and nothing follows."""
    silence = np.zeros(16000 * 12, np.float32)
    run = diarize(silence, cpu_plan(), ALL, keep_windows=True)
    assert run.windows is not None
    again = replay(run.windows, silence, cpu_plan(), ALL)
    clusters = nearest_clusters(run.windows, again.centroids)

    assert again.diarization.turns == ()
    assert lay_out(run.windows, np.arange(len(run.windows)), clusters, again.layout, ALL).turns == ()

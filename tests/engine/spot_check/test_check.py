"""A candidate held against a sample of its windows, on a real run of the shipped recording."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from replay import PARAMETERS, Reference, plan_of
from speech import recording

from tasks.engine.core.choices import Engine, Verdict
from tasks.engine.core.stages import Stage
from tasks.engine.core.timeline import Timeline, timeline_of
from tasks.engine.gate.drift_report import DriftReport
from tasks.engine.gate.findings import SpotCheck
from tasks.engine.gate.tolerance import Tolerance
from tasks.engine.inference.recomputation import replay
from tasks.engine.inference.window_outputs import Recomputed, WindowOutputs
from tasks.engine.spot_check import bootstrap
from tasks.engine.spot_check.check import Again, spot_check
from tasks.engine.spot_check.choice import choose
from tasks.engine.spot_check.neighbours import disagreement
from tasks.engine.spot_check.outliers import LINES, Lines
from tasks.engine.spot_check.window_errors import windows_wrong

pytestmark = pytest.mark.slow

Change = Callable[[WindowOutputs], None]


@cache
def reference() -> Reference:
    """The recording, its run computed once."""
    return Reference("recording", recording())


@cache
def sound() -> WindowOutputs:
    """What the networks gave for it."""
    outputs = reference().run.outputs
    held = WindowOutputs.of(-np.expm1(outputs[Stage.SCORES][..., 0]), outputs[Stage.DECISIONS])
    return replace(held, embeddings=outputs[Stage.EMBEDDINGS])


def table_of(windows: WindowOutputs) -> Timeline:
    """What follows from windows, on the reference's frames."""
    result = replay(windows, recording(), plan_of(), PARAMETERS).diarization
    table = timeline_of(result.turns, result.scores, reference().grid)
    return replace(table, metadata=reference().timeline.metadata)


def changed(change: Change) -> WindowOutputs:
    """The windows after something went wrong."""
    windows = WindowOutputs(sound().speech.copy(), sound().decisions.copy(), sound().embeddings.copy())
    change(windows)
    return windows


def check(
    windows: WindowOutputs, table: Timeline | None = None, *, seed: int = 0, again: Again | None = None
) -> DriftReport:
    """Hold windows, and the table that follows from them or another, against a sample of the sound ones."""
    numbers = choose(len(sound()), 10, (seed,))
    sample = Recomputed(numbers, sound().at(numbers), len(sound()), 0.0)
    table = table or table_of(windows)
    sha256 = reference().timeline.metadata["source"]["samples_sha256"]

    def recompute(places: NDArray[np.int64]) -> Recomputed:
        return Recomputed(places, sound().at(places), len(sound()), 0.0)

    grid = reference().grid
    return spot_check(
        windows, table, sample, recording(), sha256, plan_of(), PARAMETERS, grid, seed, again or recompute
    )


def lines_with(count: int) -> Lines:
    """Lines that so many of the sound windows are beyond."""
    layout = replay(sound(), recording(), plan_of(), PARAMETERS).layout
    return Lines(activity=float(np.sort(disagreement(sound(), layout).activity)[-count - 1]))


def found(report: DriftReport) -> SpotCheck:
    """What the sample found."""
    assert report.spot_check
    return report.spot_check


def doubts(report: DriftReport) -> str:
    """What is doubted, in one text."""
    assert report.spot_check is not None
    return "; ".join(report.spot_check.doubts)


@pytest.mark.parametrize("seed", range(5))
def test_a_sound_candidate_is_not_doubted(seed: int) -> None:
    """Whatever is drawn: coherent, no difference, and the bound says how much that proves."""
    report = check(sound(), seed=seed)
    finding = report.spot_check

    assert finding is not None
    assert report.verdict is Verdict.COHERENT
    assert finding.doubts == ()
    assert report.by_sample
    assert finding.beyond == finding.differing_decisions == finding.largest_score_difference == 0
    assert finding.recomputed == tuple(choose(len(sound()), 10, (seed,)).tolist())
    assert 0 < finding.share_at_most < 1
    assert f"{len(finding.recomputed)} of 21 windows computed again" in report.sentence


def silence(windows: WindowOutputs) -> None:
    """Nobody wrote the windows of the middle."""
    windows.speech[8:14] = 0
    windows.decisions[8:14] = 0


def late(windows: WindowOutputs) -> None:
    """Every window is the one before it."""
    for values in (windows.speech, windows.decisions, windows.embeddings):
        values[1:] = values[:-1].copy()


def other_voices(windows: WindowOutputs) -> None:
    """The speakers of every window hold each other's embeddings."""
    windows.embeddings[:] = windows.embeddings[:, ::-1].copy()


def all_alike(windows: WindowOutputs) -> None:
    """Embeddings drawn to their mean: one speaker is left, by either side's embeddings of these clusters."""
    windows.embeddings[:] = windows.embeddings.mean(axis=(0, 1))


@pytest.mark.parametrize("change", [silence, late, other_voices, all_alike], ids=lambda change: change.__name__)
@pytest.mark.parametrize("seed", range(5))
def test_what_went_wrong_everywhere_is_doubted(change: Change, seed: int) -> None:
    """Whatever is drawn, although the table follows from the windows: the networks gave something else."""
    assert doubts(check(changed(change), seed=seed))


def test_a_table_that_does_not_follow_from_the_windows_is_doubted() -> None:
    """Windows as sound as the reference's, and rows of something else."""
    table = table_of(sound())
    late_rows = replace(table, speech=np.roll(table.speech, 25), active=np.roll(table.active, 25, axis=0))

    assert "what follows from all windows: drift" in doubts(check(sound(), late_rows))


def test_a_table_of_other_audio_is_doubted() -> None:
    """It says itself that it comes from other samples."""
    other = replace(table_of(sound()), metadata={"source": {"samples_sha256": "0" * 64}})

    assert "different audio" in doubts(check(sound(), other))


def test_one_window_apart_from_its_neighbours_is_doubted() -> None:
    """A window that was not drawn, and is silent amid talk: seen for nothing."""
    numbers = set(choose(len(sound()), 10, (0,)).tolist())
    place = next(number for number in range(3, 18) if number not in numbers and sound().speech[number].mean() > 0.8)
    windows = changed(lambda all_of_them: all_of_them.speech.__setitem__(place, 0))

    said = doubts(check(windows))

    assert "that lie apart from theirs are beyond the limits, the first is window" in said
    assert place in found(check(windows)).outliers


def test_a_sound_window_apart_from_its_neighbours_is_no_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    """People who talk at once make sound windows differ: those are computed again, and named."""
    monkeypatch.setitem(LINES, Engine.EXACT, lines_with(3))
    report = check(sound())

    assert found(report).outliers
    assert set(found(report).outliers).isdisjoint(found(report).recomputed)
    assert doubts(report) == ""
    assert f"and {len(found(report).outliers)} that lie apart from their neighbours" in report.sentence


def test_where_outliers_cannot_be_computed_again_they_are_doubted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing vouches for them."""
    monkeypatch.setitem(LINES, Engine.EXACT, lines_with(3))

    assert "lie apart from theirs and cannot be computed again" in doubts(check(sound(), again=lambda _: None))


def test_more_outliers_than_are_worth_computing_are_doubted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a fifth of the windows lies apart, the whole reference costs less than looking at each."""
    monkeypatch.setitem(LINES, Engine.EXACT, Lines(activity=0.001))

    assert re.search(r"neighbouring windows: \d+ of 21 lie apart from theirs, over 20%", doubts(check(sound())))


def slightly_off(windows: WindowOutputs) -> None:
    """As another order of sums would: a cosine distance of 3e-6."""
    noise = np.random.default_rng(3).normal(size=windows.embeddings.shape)
    norms = np.linalg.norm(windows.embeddings, axis=2, keepdims=True)
    windows.embeddings[:] += (0.0025 * norms * noise / np.linalg.norm(noise, axis=2, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(("longest", "factors"), [(600, bootstrap.FACTORS), (12, bootstrap.OF_LONGEST)])
def test_speakers_far_apart_stay_the_same_when_embeddings_are_moved(
    longest: int, factors: tuple[float, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clustering is repeated with the drawn windows' errors, of all windows or of some in a row: within the limits."""
    monkeypatch.setattr(bootstrap, "LONGEST", longest)
    report = check(changed(slightly_off))

    assert doubts(report) == ""
    assert found(report).regrouped == len(factors)


@pytest.mark.parametrize("longest", [600, 12])
def test_a_grouping_that_hangs_on_the_error_is_doubted(longest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where errors as large as those of the drawn windows change who is one speaker, the whole reference decides."""
    monkeypatch.setattr(bootstrap, "LONGEST", longest)
    monkeypatch.setattr(bootstrap, "FACTORS", (200.0,))
    monkeypatch.setattr(bootstrap, "OF_LONGEST", (200.0,))
    report = check(changed(slightly_off))

    assert doubts(report).startswith("who is one speaker, with embeddings moved")
    assert found(report).regrouped == 0


@pytest.mark.parametrize("output", ["speech", "decisions", "embeddings"])
def test_one_wrong_output_of_an_outlier_is_enough(output: str) -> None:
    """Scores, decisions and embeddings are each held against the reference's."""
    reference, lines = sound(), Lines()
    candidate = changed(lambda windows: getattr(windows, output).__setitem__(10, getattr(windows, output)[3]))
    again = replay(reference, recording(), plan_of(), PARAMETERS)

    wrong = windows_wrong(reference, candidate, again, Tolerance(), lines)

    assert np.flatnonzero(wrong).tolist() == [10]


@pytest.mark.parametrize("output", ["speech", "decisions", "embeddings"])
def test_an_output_of_another_shape_is_doubted(output: str) -> None:
    """A candidate that lost a window, or one window's share of an output alone, cannot be compared, and says why."""
    lost = {output: getattr(sound(), output)[:20]}

    report = check(replace(sound(), **lost), table_of(sound()))

    assert report.verdict is Verdict.NOT_COMPARABLE
    shape = getattr(sound(), output).shape
    assert doubts(report) == f"the candidate's {output} have the shape {(20, *shape[1:])}, expected {shape}"


def test_a_candidate_that_hears_nobody_is_doubted() -> None:
    """Speech that the candidate lost altogether is doubted, although no embedding was ever computed."""
    nobody = WindowOutputs.of(np.zeros_like(sound().speech), np.zeros_like(sound().decisions))

    assert "first detection offset" in doubts(check(nobody))

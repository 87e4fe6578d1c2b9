"""Each criterion just below, at and above its limit; numbers worked by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tasks.engine.core.timeline import Timeline
from tasks.engine.gate.criteria import Criterion
from tasks.engine.gate.tolerance import Tolerance
from tasks.engine.gate.verdict import compare

Make = Callable[..., Timeline]


def measured(name: str, reference: Timeline, candidate: Timeline, **limits: float) -> Criterion:
    """One criterion of the comparison."""
    return compare(reference, candidate, Tolerance(**limits)).criterion(name)


@pytest.mark.parametrize(("first", "seconds", "passed"), [(49, 1.96, True), (50, 2.0, False), (51, 2.04, False)])
def test_first_detection_must_be_below_its_limit(timeline: Make, first: int, seconds: float, passed: bool) -> None:
    """At 25 frames per second the frame with index 50 starts at 2 s, and 2 s is not less than 2 s."""
    criterion = measured(
        "first_detection_offset_sec", timeline({"A": [(0, 900)]}, 1000), timeline({"A": [(first, 900)]}, 1000)
    )

    assert (criterion.value, criterion.passed) == (pytest.approx(seconds), passed)


@pytest.mark.parametrize(("frames", "points", "passed"), [(451, 4.9, True), (450, 5.0, False), (449, 5.1, False)])
def test_speech_percentage_must_be_below_its_limit(timeline: Make, frames: int, points: float, passed: bool) -> None:
    """500 of 1000 frames are 50 %; 450 are 5 points less, and 5 is not less than 5."""
    criterion = measured(
        "speech_percent_difference", timeline({"A": [(0, 500)]}, 1000), timeline({"A": [(0, frames)]}, 1000)
    )

    assert (criterion.value, criterion.passed) == (points, passed)


@pytest.mark.parametrize(("flips", "percent", "passed"), [(4, 0.4, True), (5, 0.5, True), (6, 0.6, False)])
def test_flipped_frames_may_reach_their_limit(timeline: Make, flips: int, percent: float, passed: bool) -> None:
    """5 of 1000 frames are 0.5 %."""
    criterion = measured(
        "flipped_frames_percent", timeline({"A": [(0, 500)]}, 1000), timeline({"A": [(0, 500 - flips)]}, 1000)
    )

    assert (criterion.value, criterion.passed) == (percent, passed)


@pytest.mark.parametrize(("flips", "percent", "passed"), [(12, 4.0, True), (15, 5.0, True), (16, 16 / 3, False)])
def test_worst_stretch_may_reach_its_limit(timeline: Make, flips: int, percent: float, passed: bool) -> None:
    """At 10 frames per second 30 s are 300 frames, of which 15 are 5 %."""
    reference = timeline({"A": [(0, 9000)]}, 10_000, fps=10)
    candidate = timeline({"A": [(0, 4000), (4000 + flips, 9000)]}, 10_000, fps=10)
    criterion = measured("worst_stretch_percent", reference, candidate)

    assert (criterion.value, criterion.passed) == (pytest.approx(percent), passed)


@pytest.mark.parametrize(("confused", "percent", "passed"), [(9, 0.9, True), (10, 1.0, True), (11, 1.1, False)])
def test_der_may_reach_its_limit(timeline: Make, confused: int, percent: float, passed: bool) -> None:
    """10 of 1000 frames of speech given to the other speaker are 1 % either way."""
    reference = timeline({"A": [(0, 500)], "B": [(500, 1000)]}, 1000)
    candidate = timeline({"x": [(0, 500 - confused)], "y": [(500 - confused, 1000)]}, 1000)
    criterion = measured("der_percent", reference, candidate)

    assert (criterion.value, criterion.passed) == (percent, passed)


@pytest.mark.parametrize(
    ("length", "percent", "passed"), [(100, 200 / 101, True), (99, 2.0, True), (98, 200 / 99, False)]
)
def test_jer_may_reach_its_limit(timeline: Make, length: int, percent: float, passed: bool) -> None:
    """A turn of 99 frames moved by one shares 98 frames of a union of 100: JER is 2 %."""
    criterion = measured("jer_percent", timeline({"A": [(0, length)]}, 200), timeline({"A": [(1, length + 1)]}, 200))

    assert (criterion.value, criterion.passed) == (pytest.approx(percent, rel=1e-12), passed)


@pytest.mark.parametrize(("limit", "passed"), [(0.0, False), (0.999, False), (1.0, True), (2.0, True)])
def test_speaker_count_may_reach_its_limit(timeline: Make, limit: float, passed: bool) -> None:
    """One speaker more is a difference of 1, whichever side has it."""
    single, double = timeline({"A": [(0, 9)]}, 10), timeline({"A": [(0, 8)], "B": [(8, 9)]}, 10)
    criteria = [
        measured("speaker_count_difference", *sides, speaker_count_difference=limit)
        for sides in ((single, double), (double, single))
    ]

    assert [(criterion.value, criterion.passed) for criterion in criteria] == [(1.0, passed)] * 2


def scored(make: Make, scores: Any) -> Timeline:
    """All speech, with these scores."""
    return make({"A": [(0, len(scores))]}, len(scores), scores=np.asarray(scores, dtype=np.float32))


@pytest.mark.parametrize(("other", "passed"), [(0.851, True), (0.85, True), (0.849, False)])
def test_largest_score_difference_may_reach_its_limit(timeline: Make, other: float, passed: bool) -> None:
    """1.1 - 0.85 in float32 is 0.25000006; digits beyond float32 do not decide."""
    scores = np.full(1000, 1.1)
    changed = scores.copy()
    changed[321] = other
    criterion = measured("max_score_difference", scored(timeline, scores), scored(timeline, changed))

    assert (criterion.value, criterion.passed) == (pytest.approx(1.1 - other, abs=1e-6), passed)
    assert "frame 322" in criterion.detail


@pytest.mark.parametrize(("apart", "passed"), [(0.0199, True), (0.02, True), (0.0201, False)])
@pytest.mark.parametrize(("frames", "counts"), [(10, False), (11, True)])
def test_p99_score_difference_may_reach_its_limit(
    timeline: Make, apart: float, passed: bool, frames: int, counts: bool
) -> None:
    """Of 1000 frames the 10 most different are forgiven and the 11th is not."""
    scores = np.full(1000, 0.9)
    changed = scores.copy()
    changed[:frames] -= apart
    criterion = measured("p99_score_difference", scored(timeline, scores), scored(timeline, changed))

    assert criterion.value == pytest.approx(apart if counts else 0, abs=1e-6)
    assert criterion.passed == (passed or not counts)


@pytest.mark.parametrize(
    "limit",
    ["first_detection_offset_sec", "speech_percent_difference", "flipped_frames_percent", "jer_percent"],
)
def test_identical_timelines_pass_a_limit_of_zero(timeline: Make, limit: str) -> None:
    """No difference passes even where the value must be below a limit of 0, and any difference fails."""
    reference, candidate = timeline({"A": [(0, 50)]}, 100), timeline({"A": [(1, 50)]}, 100)

    assert measured(limit, reference, reference, **{limit: 0.0}).passed
    assert not measured(limit, reference, candidate, **{limit: 0.0}).passed

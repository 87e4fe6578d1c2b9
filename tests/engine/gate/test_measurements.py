"""Measurements between two timelines: symmetric, exact, and each at its place."""

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.engine.core.timeline import Timeline
from tasks.engine.gate.measurements import TIE, measure, worst_stretch
from tasks.engine.gate.verdict import compare

Make = Callable[..., Timeline]


@pytest.mark.parametrize(
    ("reference", "candidate", "ties"),
    [(0.501, 0.499, 1), (0.5, 0.499, 1), (0.502, 0.499, 0), (0.5, 0.4, 0)],
)
def test_ties_are_counted_and_still_count_as_flips(
    timeline: Make, reference: float, candidate: float, ties: int
) -> None:
    """A flipped frame whose scores are both within 1e-3 of the threshold is a tie, and still a flip."""
    first = timeline({"A": [(0, 50)]}, 100, scores=np.full(100, reference, np.float32))
    second = timeline({"A": [(0, 49)]}, 100, scores=np.full(100, candidate, np.float32))
    report = compare(first, second)

    assert report.to_dict()["ties"] == ties
    assert report.criterion("flipped_frames_percent").value == 1.0
    assert f"{ties} of them ties" in report.criterion("flipped_frames_percent").detail


@settings(deadline=None)
@given(differing=st.lists(st.booleans(), min_size=1, max_size=300), rate=st.integers(1, 3))
def test_the_worst_stretch_is_the_first_window_with_most_frames(
    timeline: Make, differing: list[bool], rate: int
) -> None:
    """Tried one by one, no window of 30 s holds more; of equals the first is taken; a short video is one window."""
    width = min(30 * rate, len(differing))
    counts = [sum(differing[first : first + width]) for first in range(len(differing) - width + 1)]
    stretch = worst_stretch(np.array(differing), timeline({}, len(differing), fps=rate))

    assert stretch.first_frame == counts.index(max(counts)) + 1
    assert stretch.last_frame == stretch.first_frame + width - 1
    assert stretch.percent == pytest.approx(100 * max(counts) / width)


def test_the_worst_stretch_is_timed_on_the_clock(timeline: Make) -> None:
    """The frames' own times count, not their numbers: here the video shows its first frame at 100 s."""
    clock = timeline({}, 1000, timecodes=np.arange(1000) / 25 + 100)
    stretch = worst_stretch(np.arange(1000) == 999, clock)

    assert (stretch.first_frame, stretch.last_frame) == (251, 1000)
    assert (stretch.start_sec, stretch.end_sec) == (pytest.approx(110), pytest.approx(140))


@settings(deadline=None)
@given(
    steps=st.lists(st.sampled_from([0.04, 0.5, 7.8, 29.0, 45.0]), min_size=1, max_size=60),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_stretch_is_of_thirty_seconds_where_the_rate_varies(timeline: Make, steps: list[float], seed: int) -> None:
    """However long frames are held: tried one by one, no window of what shows in 30 s has a larger share."""
    times = np.append(0.0, np.cumsum(steps))
    frames = len(times)
    differing = np.random.default_rng(seed).random(frames) < 0.3
    clock = timeline({}, frames, fps=25, timecodes=times)
    windows = [differing[(times >= start) & (times < start + 29.999)] for start in times if start <= times[-1] - 29.959]
    stretch = worst_stretch(differing, clock)

    assert stretch.end_sec - stretch.start_sec <= 30.05
    assert stretch.percent >= max((100 * window.mean() for window in windows), default=0) - 1e-9
    assert bool(stretch.percent) == bool(differing.any())


def test_a_rate_below_a_frame_in_thirty_seconds_still_has_a_window(timeline: Make) -> None:
    """Time-lapse video: a window is one frame at least."""
    stretch = worst_stretch(np.array([False, True, False]), timeline({}, 3, fps=Fraction(1, 100)))

    assert (stretch.first_frame, stretch.last_frame, stretch.percent) == (2, 2, 100)


def test_both_sides_are_timed_on_the_references_clock(timeline: Make) -> None:
    """The same frame is the same instant, whatever the candidate's timecodes say."""
    reference = timeline({"A": [(10, 90)]}, 100)
    late = timeline({"A": [(10, 90)]}, 100, timecodes=reference.timecodes + 5)
    agreement = measure(reference, late)

    assert agreement.first_offset_sec == 0
    assert agreement.first_candidate_sec == agreement.first_reference_sec == pytest.approx(0.4)


@pytest.mark.parametrize(("sides", "offset"), [((True, True), 0), ((True, False), math.inf), ((False, False), 0)])
def test_a_side_without_speech_is_infinitely_far_from_one_with(
    timeline: Make, sides: tuple[bool, bool], offset: float
) -> None:
    """Two silent sides agree."""
    first, second = (timeline({"A": [(3, 9)]} if speaks else {}, 10) for speaks in sides)

    assert measure(first, second).first_offset_sec == measure(second, first).first_offset_sec == offset


def test_scores_are_compared_in_whole_float32_digits(timeline: Make) -> None:
    """The largest difference, its frame, and the nearest rank of the 99th percentile; a side without has none."""
    scores = np.full(200, 0.9, np.float32)
    changed = scores.copy()
    changed[[7, 8, 9]] = 0.8, 0.7, 0.6
    agreement = measure(timeline({}, 200, scores=scores), timeline({}, 200, scores=changed))

    assert agreement.scores == (0.3, 10, 0.1, 0)
    assert measure(timeline({}, 200, scores=scores), timeline({}, 200)).scores is None


def test_a_tie_reaches_to_its_width(timeline: Make) -> None:
    """A score at `TIE` from the threshold is undecided, one a little farther is not."""
    at, beyond = (np.full(4, 0.5 + distance, np.float32) for distance in (TIE, 1.01 * TIE))
    speech, silence = timeline({"A": [(0, 4)]}, 4, scores=at), timeline({}, 4, scores=at)

    assert compare(speech, silence).to_dict()["ties"] == 4
    assert compare(speech, timeline({}, 4, scores=beyond)).to_dict()["ties"] == 0

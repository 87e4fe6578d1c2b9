"""Data of the charts: what the browser unpacks is what was measured."""

import base64
import json
import zlib
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pages import RATE, pair, timeline, tone

from tasks.engine.core.frames import FrameGrid
from tasks.engine.core.turns import Turn
from tasks.engine.gate.verdict import compare
from tasks.engine.report import chart_data


def unpacked(text: str, kind: str) -> NDArray[Any]:
    """What the browser does."""
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), kind)


@settings(deadline=None)
@given(flips=st.lists(st.booleans(), max_size=300), rate=st.integers(1, 3))
def test_places_are_the_worst_first(flips: list[bool], rate: int) -> None:
    """The first is the gate's own worst stretch; none overlaps another; all have differing frames."""
    differing = np.array(flips, bool)
    clock = timeline([], 1, FrameGrid(len(flips), Fraction(rate)))
    places = chart_data.worst_places(differing, clock)
    spans = sorted((place.stretch.first_frame, place.stretch.last_frame) for place in places)

    assert bool(places) == differing.any()
    assert [place.differing for place in places] == sorted((place.differing for place in places), reverse=True)
    assert all(end >= start for start, end in spans)
    for place in places[:1]:
        width = min(30 * rate, len(flips))
        windows = [int(differing[at : at + width].sum()) for at in range(len(flips) - width + 1)]
        assert place.differing == max(windows)


@settings(deadline=None)
@given(values=st.lists(st.floats(0, 1, width=32), max_size=50))
def test_scores_come_through_to_a_ten_thousandth(values: list[float]) -> None:
    """What the browser unpacks: differences of int16, deflated."""
    packed = chart_data.packed_scores(np.array(values, np.float32))
    assert packed is not None
    steps = np.cumsum(np.frombuffer(zlib.decompress(base64.b64decode(packed)), "<i2"))

    assert np.allclose(steps / chart_data.SCORE_STEPS, np.array(values), atol=6e-5)


def test_lanes_pair_speakers_as_the_comparison_did() -> None:
    """Other names of the same person share a lane; who has no partner has a lane alone."""
    reference = timeline([Turn(0.0, 1.0, "A"), Turn(2.0, 3.0, "B")], 4)
    candidate = timeline([Turn(0.0, 1.0, "X"), Turn(3.0, 4.0, "Y")], 4)
    paired = chart_data.lanes(reference, candidate, {"A": "X"})

    assert [(lane["reference"], lane["candidate"]) for lane in paired] == [("A", "X"), ("B", None), (None, "Y")]
    assert (paired[0]["r"], paired[0]["c"], paired[1]["r"], paired[2]["c"]) == (
        [[0, 25]],
        [[0, 25]],
        [[50, 75]],
        [[75, 100]],
    )


def test_the_waveform_keeps_every_peak() -> None:
    """The lowest and highest sample of each bucket, so that a click of one sample is seen."""
    samples = tone(10)
    samples[70_000] = 1.0
    wave = chart_data.envelope(samples, RATE)
    high = np.frombuffer(zlib.decompress(base64.b64decode(wave["high"])), np.int8)

    assert wave["peak"] == 1.0
    assert high.argmax() == 70_000 // (RATE // 100)
    assert json.dumps(wave)


def test_the_first_place_is_the_worst_stretch_of_the_gate() -> None:
    """The page and the criterion beside it name the same frames and times."""
    reference, candidate = pair()
    agreement = compare(reference, candidate).agreement
    places = chart_data.worst_places(reference.speech != candidate.speech, reference)

    assert agreement is not None
    assert places[0].stretch == agreement.worst_stretch
    assert len(places) <= chart_data.MAX_PLACES


@pytest.mark.parametrize(
    ("active", "expected"),
    [([], []), ([0, 0], []), ([1, 1], [[0, 2]]), ([1, 0, 0, 1, 1, 0, 1], [[0, 1], [3, 5], [6, 7]])],
)
def test_runs_are_half_open(active: list[int], expected: list[list[int]]) -> None:
    """A run ends where the next frame is not active, or where the frames end."""
    assert chart_data.runs(np.array(active, bool)) == expected


def test_a_frame_that_differs_in_speech_does_not_also_differ_in_who_speaks() -> None:
    """Each frame is marked once; a speaker without partner differs wherever both sides have speech."""
    reference = timeline([Turn(0.0, 2.0, "A")], 4)
    candidate = timeline([Turn(0.0, 1.0, "X"), Turn(1.0, 3.0, "Y")], 4)
    flips, others = chart_data.differences(reference, candidate, {"A": "X"})

    assert chart_data.runs(flips) == [[50, 75]]
    assert chart_data.runs(others) == [[25, 50]]


def test_a_constant_rate_needs_no_clock() -> None:
    """Times of a variable rate come through to a tenth of a millisecond."""
    steady = timeline([], 1, FrameGrid(5, Fraction(25)))
    times = np.array([0.0, 0.05, 0.0512, 0.3, 1.0])
    packed = chart_data.packed_clock(replace(steady, timecodes=times))

    assert chart_data.packed_clock(steady) is None
    assert packed is not None
    assert np.cumsum(unpacked(packed, "<i4")).tolist() == [0, 500, 512, 3000, 10_000]


def test_no_scores_are_none() -> None:
    """A file without scores has no line in the chart."""
    assert chart_data.packed_scores(None) is None


@pytest.mark.parametrize("samples", [0, 3, RATE])
def test_a_waveform_of_any_length_is_packed(samples: int) -> None:
    """None at all, less than a bucket, and silence, which has no loudest sample to scale to."""
    wave = chart_data.envelope(np.zeros(samples, np.float32), RATE)

    assert wave["peak"] == 0
    assert len(unpacked(wave["low"], "i1")) == len(unpacked(wave["high"], "i1")) == samples // (RATE // 100)

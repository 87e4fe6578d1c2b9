"""Content of the page: sentences, rows and bars from a drift report."""

from dataclasses import replace

import pytest
from pages import pair, timeline

from tasks.engine.core.choices import Verdict
from tasks.engine.core.stages import Stage
from tasks.engine.core.turns import Turn
from tasks.engine.gate.drift_report import DriftReport
from tasks.engine.gate.findings import Difference, Localization
from tasks.engine.gate.measurements import Stretch
from tasks.engine.gate.tolerance import Tolerance
from tasks.engine.gate.verdict import compare
from tasks.engine.report import content
from tasks.engine.report.chart_data import Place
from tasks.engine.report.messages import load_messages


def test_bars_show_the_limit_in_their_middle() -> None:
    """A value at its limit ends at the middle; twice the limit, and infinity, fill the bar."""
    reference, candidate = pair()
    report = compare(reference, candidate)
    at_limit = {criterion.name: criterion.value for criterion in report.criteria}
    moved = replace(
        report,
        criteria=tuple(replace(criterion, limit=at_limit[criterion.name] or 1.0) for criterion in report.criteria),
    )
    bars = {row["name"]: row["bar"] for row in content.criteria(load_messages("en"), moved)}

    assert {bars[name] for name, value in at_limit.items() if value} == {50.0}
    endless = replace(report, criteria=(replace(report.criteria[0], value=float("inf")),))
    assert content.criteria(load_messages("fr"), endless)[0]["value"] == "au-delà de toute limite"
    assert content.criteria(load_messages("fr"), endless)[0]["bar"] == 100.0


def test_a_criterion_that_was_not_measured_has_no_bar() -> None:
    """Neither passed nor failed: an empty bar would look like a perfect value."""
    reference, candidate = pair()
    rows = content.criteria(load_messages("en"), compare(replace(reference, scores=None), candidate))
    unmeasured = {row["name"]: (row["mark"], row["bar"], row["value"]) for row in rows if row["bar"] is None}

    assert set(unmeasured) == {"max_score_difference", "p99_score_difference"}
    assert set(unmeasured.values()) == {("unmeasured", None, "not measured")}


def test_limits_say_whether_they_may_be_reached() -> None:
    """A strict limit must not be."""
    criteria = {criterion.name: criterion for criterion in compare(*pair()).criteria}

    assert content.limit(load_messages("en"), criteria["first_detection_offset_sec"]) == "below 2 s"
    assert content.limit(load_messages("fr"), criteria["worst_stretch_percent"]) == "au plus 5 %"


@pytest.mark.parametrize("verdict", [Verdict.REFERENCE, Verdict.NOT_COMPARABLE, Verdict.UNVERIFIED])
def test_a_verdict_without_a_comparison_has_no_rows(verdict: Verdict) -> None:
    """The sentence speaks alone."""
    report = DriftReport(verdict, Tolerance(), reason="x")

    assert content.criteria(load_messages("en"), report) == content.criteria(load_messages("en"), None) == []
    assert content.verdict_sentence(load_messages("en"), report, timeline([], 1))


def test_a_localization_is_written_as_far_as_it_is_known() -> None:
    """A stage of other shapes has no largest difference, the frame mapping no place; none located is None."""
    english = load_messages("en")
    shapes = Localization(Stage.SCORES, (Difference(Stage.SCORES, None, 1.0, 0, 0.0),), "Do this.")
    frames = Localization(Stage.FRAMES, (), "Do that.")

    assert content.localization(english, None) is None
    assert content.localization(english, shapes) == {
        "stage": "First stage that diverged: segmentation scores",
        "place": "from 0 s on; largest difference not stated; 100 % of the values differ.",
        "advice": "Do this.",
    }
    assert (content.localization(english, frames) or {})["place"] == ""


def test_a_place_is_written_with_frames_and_times() -> None:
    """Its button shows the same seconds."""
    place = Place(Stretch(10.0, 60.0, 90.0, 1501, 2250), 75)

    assert content.places(load_messages("en"), [place]) == [
        {"start": 60.0, "end": 90.0, "text": "0:01:00.000 to 0:01:30.000, frames 1501 to 2250: 75 differ"}
    ]


def test_a_side_that_states_nothing_says_so() -> None:
    """A table from elsewhere has no device and no profile."""
    bare = content.side(load_messages("en"), timeline([], 10), "clip.parquet")
    stated = timeline([Turn(0.0, 5.0, "A")], 10)
    stated = replace(stated, metadata={"profile": "cpu", "device": {"device": "cpu", "precision": "fp32"}})

    assert (bare["device"], bare["precision"], bare["profile"], bare["speakers"]) == (*["not stated"] * 3, "nobody")
    assert content.side(load_messages("en"), stated, "clip.parquet") == {
        "file": "clip.parquet",
        "device": "cpu",
        "precision": "fp32",
        "profile": "cpu",
        "speech": "50 % (125 / 250)",
        "first_speech": "0:00:00.000",
        "speakers": "A 100 %",
    }


def test_notes_on_the_recording_come_first() -> None:
    """A cut recording is marked on its page, whether it was compared or not."""
    plain = timeline([], 1.0)
    noted = replace(plain, metadata={"source": {"notes": ["the recording is cut at 3.60 s"]}})
    report = DriftReport(Verdict.COHERENT, Tolerance(), notes=("of the comparison",))
    assert content.notes(noted, report) == ["the recording is cut at 3.60 s", "of the comparison"]
    assert content.notes(replace(plain, metadata={}), None) == []

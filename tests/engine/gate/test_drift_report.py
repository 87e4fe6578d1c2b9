"""The report of a comparison: one sentence, the worst criterion, and JSON that any parser takes."""

import json
from collections.abc import Callable

import numpy as np
import pytest

from tasks.engine.core.choices import Verdict
from tasks.engine.core.stages import Stage
from tasks.engine.core.timeline import Timeline
from tasks.engine.gate.drift_report import SCHEMA_VERSION, DriftReport
from tasks.engine.gate.findings import Difference, Flips, Localization
from tasks.engine.gate.tolerance import Tolerance
from tasks.engine.gate.verdict import compare

Make = Callable[..., Timeline]


def test_infinity_is_null_with_a_note_in_json(timeline: Make) -> None:
    """JSON has no infinity: the value is null and a note says why; nothing else is out of the ordinary."""
    report = compare(timeline({"A": [(0, 9)]}, 10), timeline({}, 10))

    def refuse(text: str) -> None:
        pytest.fail(f"{text} in JSON")

    first = json.loads(report.to_json(), parse_constant=refuse)["criteria"][0]

    assert (first["name"], first["value"], first["passed"]) == ("first_detection_offset_sec", None, False)
    assert "infinite" in first["note"]


def test_worst_is_the_farthest_beyond_its_limit(timeline: Make) -> None:
    """Of the failed criteria the one with the most limits in its value is named."""
    reference, candidate = timeline({"A": [(0, 500)]}, 1000), timeline({"A": [(0, 440)]}, 1000)
    report = compare(reference, candidate, Tolerance(der_percent=100, jer_percent=100))

    assert {criterion.name for criterion in report.failed} == {
        "speech_percent_difference",
        "flipped_frames_percent",
        "worst_stretch_percent",
    }
    assert report.worst is report.criterion("flipped_frames_percent")
    assert report.sentence == (
        "drift: 3 of 9 criteria failed, the worst: frames that differ in is_speech_present 6 % (at most 0.5 % "
        "allowed); 60 of 1000 frames; ties not known without scores."
    )


def test_a_verdict_can_stand_without_a_comparison() -> None:
    """What was not compared has a reason instead of criteria."""
    report = DriftReport(Verdict.UNVERIFIED, Tolerance(), reason="No reference was asked for.")

    assert report.sentence == "unverified: No reference was asked for."
    assert json.loads(report.to_json())["verdict"] == "unverified"


def test_nothing_differs_only_where_something_was_measured(timeline: Make) -> None:
    """Equal sides are identical; a report without a comparison is not, since nothing was looked at."""
    same, other = timeline({"A": [(0, 9)]}, 10), timeline({"A": [(0, 8)]}, 10)

    assert compare(same, same).identical
    assert not compare(same, other).identical
    assert not DriftReport(Verdict.UNVERIFIED, Tolerance(), reason="Nobody asked.").identical


def test_a_pass_names_the_criterion_closest_to_its_limit(timeline: Make) -> None:
    """Within every limit, yet not equal: the reader learns how much room is left, and where."""
    reference = timeline({"A": [(0, 9000)]}, 10_000)
    report = compare(reference, timeline({"A": [(0, 8990)]}, 10_000))

    assert report.worst is None
    assert report.sentence == (
        "coherent: 7 of 9 criteria measured and passed, the closest: differing frames in the worst 30 s stretch "
        "1.33333 % (at most 5 % allowed)."
    )


def test_the_keys_of_the_json_are_those_of_the_format(timeline: Make) -> None:
    """`drift.json` is read by others: its keys, `localisation` among them, do not follow renamed attributes."""
    located = Localization(Stage.SCORES, (Difference(Stage.SCORES, 0.5, 0.1, 3, 3.0, drifts=True),), "Look.")
    flipped = Flips("class of a frame", 10, 2, 1, 0.3, (0.1, 0.2), "probability", 1e-3)
    compared = compare(timeline({"A": [(0, 9)]}, 10), timeline({"A": [(0, 5)]}, 10))
    report = DriftReport(
        compared.verdict,
        compared.tolerance,
        compared.criteria,
        agreement=compared.agreement,
        localization=located,
        flips=(flipped,),
    )
    content = json.loads(report.to_json())

    assert list(content) == [
        "schema_version",
        "verdict",
        "sentence",
        "reason",
        "worst",
        "criteria",
        "frames",
        "flipped_frames",
        "ties",
        "worst_stretch",
        "speaker_mapping",
        "localisation",
        "decisions",
        "spot_check",
        "tolerance",
        "notes",
    ]
    assert content["schema_version"] == SCHEMA_VERSION
    assert content["localisation"] == located.to_dict()
    assert content["decisions"] == [flipped.to_dict()]
    assert content["worst_stretch"] == {
        "percent": 40.0,
        "start_sec": 0.0,
        "end_sec": pytest.approx(0.4),
        "first_frame": 1,
        "last_frame": 10,
    }


def test_what_was_not_compared_has_no_numbers() -> None:
    """Every key is there, and null where nothing was measured."""
    content = DriftReport(Verdict.NOT_COMPARABLE, Tolerance(), reason="Other audio.").to_dict()

    assert content["criteria"] == []
    nulls = {
        "worst",
        "frames",
        "flipped_frames",
        "ties",
        "worst_stretch",
        "speaker_mapping",
        "localisation",
        "spot_check",
    }
    assert {key for key, value in content.items() if value is None} == nulls


def test_a_criterion_is_found_by_its_name(timeline: Make) -> None:
    """An unknown name is a KeyError, as in a mapping."""
    same = timeline({"A": [(0, 9)]}, 10, scores=np.ones(10, np.float32))

    assert compare(same, same).criterion("der_percent").title == "DER, the worse of both directions"
    with pytest.raises(KeyError):
        compare(same, same).criterion("der")

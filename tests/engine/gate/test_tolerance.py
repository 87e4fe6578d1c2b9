"""Limits: defaults, changes, refusals."""

import dataclasses

import pytest

from tasks.engine.core.errors import UsageError
from tasks.engine.gate.tolerance import Tolerance


def test_defaults_are_the_promised_ones() -> None:
    """The limits of a comparison that sets none."""
    assert dataclasses.asdict(Tolerance()) == {
        "first_detection_offset_sec": 2.0,
        "speech_percent_difference": 5.0,
        "flipped_frames_percent": 0.5,
        "worst_stretch_percent": 5.0,
        "der_percent": 1.0,
        "jer_percent": 2.0,
        "speaker_count_difference": 0.0,
        "max_score_difference": 0.25,
        "p99_score_difference": 0.02,
    }


def test_assignments_change_only_what_they_name() -> None:
    """NAME=VALUE replaces one limit, the later of two holds, spaces do not matter."""
    changed = Tolerance().replace_from(["der_percent=3", "der_percent = 4.5"])

    assert changed == dataclasses.replace(Tolerance(), der_percent=4.5)


def test_no_assignment_changes_nothing() -> None:
    """An empty list gives an equal tolerance."""
    assert Tolerance().replace_from([]) == Tolerance()


@pytest.mark.parametrize("text", ["der=1", "der_percent", "", "=1", "DER_PERCENT=1"])
def test_unknown_names_answer_with_the_known_ones(text: str) -> None:
    """A name that is no limit is refused, and every accepted name is listed."""
    with pytest.raises(UsageError) as refusal:
        Tolerance().replace_from([text])

    assert all(field.name in str(refusal.value) for field in dataclasses.fields(Tolerance))


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "-inf", "one", "", "1,5"])
def test_limits_are_finite_and_not_negative(value: str) -> None:
    """A NaN limit would pass nothing and an infinite one everything: both are refused."""
    with pytest.raises(UsageError, match="der_percent"):
        Tolerance().replace_from([f"der_percent={value}"])

"""The report of a batch: the worst first, and an exit code that follows it."""

import json
import math

import pytest

from tasks.engine.batch.outcomes import BatchTotals, VideoOutcome, failed, failed_elsewhere, worst_first
from tasks.engine.core.errors import BatchError, DeviceError, DriftError, MediaError, StorageError, UsageError

FAILURES = [
    failed("bug", ZeroDivisionError("x")),
    failed("request", UsageError("x")),
    failed("disk", StorageError("x")),
    failed("media", MediaError("x")),
    failed("device", DeviceError("x")),
    failed("small drift", DriftError("x"), excess=1.5),
    failed("large drift", DriftError("x"), excess=40.0),
    failed("drift over nothing", DriftError("x"), excess=math.inf),
]


def totals(*outcomes: VideoOutcome) -> BatchTotals:
    """The totals of these."""
    counted = BatchTotals()
    for outcome in outcomes:
        counted.add(outcome)
    return counted


def test_the_worst_comes_first() -> None:
    """Drift before device before media before storage; within drift the one most over its limit."""
    assert [outcome.video for outcome in worst_first(FAILURES)] == [
        "drift over nothing",
        "large drift",
        "small drift",
        "device",
        "media",
        "disk",
        "bug",
        "request",
    ]


@pytest.mark.parametrize(("failures", "code"), [(FAILURES, 3), (FAILURES[:5], 5), (FAILURES[:2], 1), ([], 0)])
def test_the_exit_code_is_that_of_the_first_in_the_list(failures: list[VideoOutcome], code: int) -> None:
    """A script that looks at nothing else learns of the worst."""
    report = totals(VideoOutcome("good", verdict="coherent"), *failures).report(partial_success_ok=False)

    assert report["exit_code"] == code
    assert [failure["exit_code"] for failure in report["failures"][:1]] == [code] * bool(code)


@pytest.mark.parametrize(
    ("good", "code"), [((), 4), ((VideoOutcome("b", verdict="reference"),), 0), ((VideoOutcome("c", current=True),), 0)]
)
def test_partial_success_needs_a_success(good: tuple[VideoOutcome, ...], code: int) -> None:
    """One timeline, new or from before, makes a batch done where that was asked for; its failures stay listed."""
    mixed = totals(failed("a", MediaError("cut short")), *good)

    assert mixed.report(partial_success_ok=True)["exit_code"] == code
    assert mixed.report(partial_success_ok=True)["failed"] == 1
    assert mixed.report(partial_success_ok=False)["exit_code"] == 4


def test_the_error_of_a_batch_names_its_worst_video_and_carries_the_report() -> None:
    """One line for the state's message, the whole for whoever runs the flow in his process."""
    error = totals(*FAILURES, VideoOutcome("good", current=True)).failure(partial_success_ok=False)

    assert isinstance(error, BatchError)
    assert str(error).startswith("8 of 9 videos failed, the worst: drift over nothing")
    assert error.report["current"] == 1
    assert totals(VideoOutcome("good", current=True)).failure(partial_success_ok=False) is None


def test_a_report_is_json() -> None:
    """An infinite excess is null: JSON has no infinity."""
    report = json.loads(json.dumps(totals(*FAILURES).report(partial_success_ok=False), allow_nan=False))

    assert report["failures"][0]["excess"] is None


@pytest.mark.parametrize(
    ("message", "code", "sentence"),
    [
        ("drift: 1 of 9. (exit code 3)", 3, "drift: 1 of 9."),
        ("out of memory (exit code 5)", 5, "out of memory"),
        ("Flow run encountered an exception: ZeroDivisionError: x", 1, "ZeroDivisionError: x"),
        ("Flow run was cancelled.", 1, "Flow run was cancelled."),
    ],
)
def test_a_failure_elsewhere_is_read_from_the_states_message(message: str, code: int, sentence: str) -> None:
    """The exit code stands behind the sentence; anything else is an unexpected error."""
    outcome = failed_elsewhere("clip.mp4", message)

    assert outcome.exit_code == code
    assert outcome.error.endswith(sentence)

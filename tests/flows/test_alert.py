"""The alert: what it watches, and how it says that a trigger started no run."""

from fnmatch import fnmatch

import pytest
from deployments import AUTOMATIONS, TRIGGERS

from flows.alert import alert, in_words
from tasks.orchestration.triggering_event import TriggeringEvent


def test_triggers_that_start_runs_are_watched_by_the_alert() -> None:
    """Its trigger knows them by the first word of their names, which no other automation shares."""
    watched = TRIGGERS["alert"][0]["match"]["prefect.resource.name"]
    names = [trigger["name"] for name, triggers in TRIGGERS.items() if name != "alert" for trigger in triggers]

    assert [name for name in names if not fnmatch(name, watched)] == []
    assert [one["name"] for one in AUTOMATIONS if fnmatch(one["name"], watched)] == []
    assert not fnmatch("alert", watched)


@pytest.mark.parametrize(
    ("reason", "told"),
    [("video: InvalidJinja()", "video: the event lacks a value that the trigger asks for"), ("as it is", "as it is")],
)
def test_a_reason_is_in_words(reason: str, told: str) -> None:
    """The one reason that Prefect gives as code is put into words; any other stays as the server said it."""
    assert in_words(reason) == told


def test_what_the_payload_held_is_said_with_what_it_lacks() -> None:
    """A misspelt name is found by reading: the sentence names what was sent."""
    assert in_words("InvalidJinja()", TriggeringEvent(payload=("vidoe",)).held).endswith("(its payload holds vidoe)")
    assert in_words("InvalidJinja()", TriggeringEvent(payload=()).held).endswith("(its payload holds nothing)")
    assert in_words("5 is not of type 'string'", " (its payload holds video)") == "5 is not of type 'string'"
    assert TriggeringEvent().held == ""


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
def test_the_alert_is_a_failed_run_that_says_why() -> None:
    """The state's message names the trigger and the reason: it is all that an operator sees."""
    state = alert("after-step3", "InvalidJinja()", return_state=True)  # of an event that nobody named

    assert state.is_failed()
    assert state.message == "after-step3 started no run: the event lacks a value that the trigger asks for"

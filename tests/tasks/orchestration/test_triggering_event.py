"""The event behind an alert: named as far as anything is known of it."""

import pytest
from prefect.events import emit_event

from tasks.orchestration import triggering_event
from tasks.orchestration.triggering_event import TriggeringEvent, find_event, subject

VIDEO = [{"label": "prefect.resource.id", "value": "step3.video.clip"}]


def test_the_video_is_named_by_the_payload_else_by_the_resource() -> None:
    """A path says most; a payload without one is what alerts are about."""
    assert subject({"video": "/inbox/clip.mp4"}, VIDEO) == "/inbox/clip.mp4"
    assert subject({}, VIDEO) == "step3.video.clip"
    assert subject({"video": ["a.mp4", "b.mp4"]}, VIDEO) == "step3.video.clip"
    assert subject({"video": None}, [*VIDEO, {"label": "prefect.resource.name", "value": "clip.mp4"}]) == "clip.mp4"
    assert subject({}, []) == ""


def test_what_is_not_known_is_left_out() -> None:
    """No event, no words about it."""
    assert find_event("") == TriggeringEvent()
    assert (TriggeringEvent().of_video, TriggeringEvent().where) == ("", "")
    known = TriggeringEvent("clip.mp4", "http://127.0.0.1:4200/events")
    assert (known.of_video, known.where) == (" for clip.mp4", "; the event: http://127.0.0.1:4200/events")


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
def test_an_event_that_is_not_written_yet_is_waited_for() -> None:
    """Prefect acts on events at once and writes them every five seconds: a fast run asks too early."""
    event = emit_event(
        "step3.scenes.ready", {"prefect.resource.id": "step3.video.clip"}, payload={"video": "/clip.mp4"}
    )

    assert event
    found = find_event(str(event.id))
    assert found.video == "/clip.mp4"
    assert str(event.id) in found.address


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize("event_id", ["4d555a89-c00f-4fd7-aeac-2121ddaa8636", "no id at all"])
def test_an_event_that_is_gone_stops_no_alert(event_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server forgets events, and may not answer."""
    monkeypatch.setattr(triggering_event, "WRITTEN_WITHIN_SEC", 1.0)

    assert find_event(event_id) == TriggeringEvent()

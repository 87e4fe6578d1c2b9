"""The event that a trigger answered: which video it is about, and where it can be looked at."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from tasks.orchestration.connection import best_effort


@dataclass(frozen=True, slots=True)
class TriggeringEvent:
    """What is known of it.

    Attributes:
        video: its path, or whatever the event is about; empty where nobody knows.
        address: of its page in the UI; empty likewise.
        payload: the names that its payload has values of; None where nobody knows.
    """

    video: str = ""
    address: str = ""
    payload: tuple[str, ...] | None = None

    @property
    def of_video(self) -> str:
        """For a sentence: ` for /inbox/clip.mp4`."""
        return f" for {self.video}" if self.video else ""

    @property
    def held(self) -> str:
        """For a sentence on what its payload lacks: ` (its payload holds vidoe)`."""
        return "" if self.payload is None else f" (its payload holds {', '.join(self.payload) or 'nothing'})"

    @property
    def where(self) -> str:
        """For its end: `; the event: http://…`."""
        return f"; the event: {self.address}" if self.address else ""


WRITTEN_WITHIN_SEC = 12.0
"""Prefect acts on an event before it is written: events are, every five seconds, and a run starts in two."""

ASK_AGAIN_SEC = 0.5


def find_event(event_id: str) -> TriggeringEvent:
    """Ask the server for an event by its id, or `prefect.event.<id>`; what cannot be had is left out.

    An event that is not there yet is waited for, `WRITTEN_WITHIN_SEC`.
    """
    with best_effort("A question for the event"):
        from prefect.client.orchestration import get_client  # noqa: PLC0415  # flow runs only
        from prefect.events.filters import EventFilter, EventIDFilter  # noqa: PLC0415
        from prefect.utilities.urls import url_for  # noqa: PLC0415

        if not event_id:
            return TriggeringEvent()
        wanted = EventFilter(id=EventIDFilter(id=[UUID(event_id.removeprefix("prefect.event."))]))
        until = time.monotonic() + WRITTEN_WITHIN_SEC
        with get_client(sync_client=True) as client:
            while not (events := client.read_events(wanted, limit=1).events) and time.monotonic() < until:
                time.sleep(ASK_AGAIN_SEC)
        for event in events:
            # The UI's address has the day alone; what Prefect makes of the whole instant leads nowhere.
            day = cast(datetime, event.occurred.date())
            address = url_for("received-event", obj_id=event.id, occurred=day) or ""
            about = subject(event.payload, event.resource.as_label_value_array())
            return TriggeringEvent(about, address, tuple(map(str, event.payload)))
    return TriggeringEvent()


def subject(payload: Mapping[str, Any], labels: list[dict[str, str]]) -> str:
    """Return the video that a payload names, else the name of the event's resource, else its id."""
    named = {entry["label"]: entry["value"] for entry in labels}
    video = payload.get("video")
    return (
        video
        if isinstance(video, str) and video
        else named.get("prefect.resource.name") or named.get("prefect.resource.id", "")
    )

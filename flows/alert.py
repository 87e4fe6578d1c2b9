"""step4-alert: a trigger started no run, and this failed run is how anyone learns of it.

A payload without a video, or with a value that the form would refuse, starts nothing: Prefect notes it in an event
and in the server's log, where nobody looks. The deployment `alert` waits for that event.
"""

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State

from flows.parameters import Automation, Reason, TriggeringEvent
from tasks.engine.core.errors import UsageError
from tasks.orchestration.failed_state import failed_state
from tasks.orchestration.triggering_event import find_event


@flow(name="step4-alert", flow_run_name="{automation} started no run", persist_result=False)
def alert(automation: Automation, reason: Reason, event: TriggeringEvent = "") -> State[None]:
    """Fail, with the reason as the state's message.

    Args:
        automation: what was triggered.
        reason: why it started nothing, in the server's words.
        event: id of the event that it was triggered by.
    """
    found = find_event(event)
    message = f"{automation} started no run{found.of_video}: {in_words(reason, found.held)}{found.where}"
    get_run_logger().error(message)
    return failed_state(UsageError(message), message)


def in_words(reason: str, held: str = "") -> str:
    """Put into words the one reason that Prefect does not, with what the event held instead."""
    return reason.replace("InvalidJinja()", f"the event lacks a value that the trigger asks for{held}")

"""Is there a Prefect server that somebody looks at, and telling it things without depending on it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from prefect.runtime import flow_run
from prefect.settings import (
    PREFECT_API_URL,
)

log = logging.getLogger("step4.server")


def connected() -> bool:
    """Is this a flow run on a server that was named? `step4 run` alone has one of its own, which nobody looks at."""
    return bool(PREFECT_API_URL.value() and flow_run.id)


def log_at(level: str) -> None:
    """Let the stages' log lines reach the server from this level on, as they reach the terminal in `step4 run`."""
    if connected():
        logging.getLogger("step4").setLevel(level)


@contextmanager
def best_effort(what: str) -> Iterator[None]:
    """What is only told must not decide how a run ends: whatever goes wrong becomes a warning."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  # a server can fail in any way, and none of them is the video's fault
        log.warning("%s could not be sent to the Prefect server: %s", what, error)

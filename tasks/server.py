"""What a run says of itself to a Prefect server: nothing at all where none was set up to listen."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_URL

from profiles.profile import DEFAULT
from tasks.engine.environment import from_environment

log = logging.getLogger("step4.server")


def connected() -> bool:
    """Is this a flow run on a server that was named? `step4 run` alone has one of its own, which nobody looks at."""
    return bool(PREFECT_API_URL.value() and flow_run.id)


def log_at(level: str) -> None:
    """Let the stages' log lines reach the server from this level on, as they reach the terminal in `step4 run`."""
    if connected():
        logging.getLogger("step4").setLevel(level)


@contextmanager
def never_failing(what: str) -> Iterator[None]:
    """What is only told must not decide how a run ends: whatever goes wrong becomes a warning."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  # a server can fail in any way, and none of them is the video's fault
        log.warning("%s could not be sent to the Prefect server: %s", what, error)


def run_name() -> str:
    """`clip · gpu_fp32`: what the run is called until its verdict is known."""
    parameters = flow_run.parameters
    video, profile = parameters.get("video"), parameters.get("profile")
    return f"{Path(str(video)).stem} · {profile or from_environment('AUDIO_PROFILE') or DEFAULT}"


def name_run(stem: str, profile: str, ending: str) -> None:
    """Call the run `clip · gpu_fp32 · coherent`, so that a list of runs shows how each ended."""
    if not connected():
        return
    with never_failing("The run's name"), get_client(sync_client=True) as client:
        client.set_flow_run_name(UUID(str(flow_run.id)), f"{stem} · {profile} · {ending}")

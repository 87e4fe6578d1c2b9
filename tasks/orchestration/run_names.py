"""Names of flow runs: video, profile, and the verdict once it is known."""

from pathlib import Path
from uuid import UUID

from profiles.settings import Configuration
from tasks.engine.core.choices import AS_CONFIGURED
from tasks.orchestration.connection import best_effort, connected


def run_name() -> str:
    """Return `clip · gpu_fp32`: what the run is called until its verdict is known."""
    from prefect.runtime import flow_run  # noqa: PLC0415  # loaded where a flow run is

    parameters = flow_run.parameters
    video, profile = parameters.get("video"), parameters.get("profile")
    configured = profile in {None, AS_CONFIGURED}
    return f"{Path(str(video)).stem} · {Configuration.resolve().profile if configured else profile}"


def name_run(stem: str, profile: str, ending: str) -> None:
    """Call the run `clip · gpu_fp32 · coherent`, so that a list of runs shows how each ended."""
    if not connected():
        return
    from prefect.client.orchestration import get_client  # noqa: PLC0415  # loaded where a flow run is
    from prefect.runtime import flow_run  # noqa: PLC0415

    with best_effort("The run's name"), get_client(sync_client=True) as client:
        client.set_flow_run_name(UUID(str(flow_run.id)), f"{stem} · {profile} · {ending}")

"""Names of flow runs: what is done to what, and how it ended once that is known."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from profiles.settings import Configuration
from tasks.orchestration.connection import best_effort, connected

BETWEEN = " · "


def run_name() -> str:
    """Return `clip · gpu_fp32`: what the run of a video is called until its verdict is known."""
    parameters = parameters_of_this_run()
    return BETWEEN.join((Path(str(parameters.get("video"))).stem, profile_of(parameters)))


def batch_name() -> str:
    """Return `batch · inbox`: what a batch is called until its videos have ended."""
    return BETWEEN.join(("batch", places(parameters_of_this_run())))


def audit_name() -> str:
    """Return `audit · inbox`: what an audit is called until it has found something, or nothing."""
    return BETWEEN.join(("audit", places(parameters_of_this_run())))


def selfcheck_name() -> str:
    """Return `self-check · gpu_fp32`: what a self-check is called until it has an answer."""
    return BETWEEN.join(("self-check", profile_of(parameters_of_this_run())))


def parameters_of_this_run() -> Mapping[str, Any]:
    """Return the parameters of the flow run that this code runs in."""
    from prefect.runtime import flow_run  # noqa: PLC0415  # loaded where a flow run is

    parameters: Mapping[str, Any] = flow_run.parameters
    return parameters


def profile_of(parameters: Mapping[str, Any]) -> str:
    """Return the profile that was asked for, else the one in force."""
    return str(parameters.get("profile") or Configuration.resolve().profile)


def places(parameters: Mapping[str, Any]) -> str:
    """Return the name of the first folder, and how many more there are."""
    first, *more = map(str, parameters.get("folders") or ("",))
    return f"{Path(first).name or first}{f' and {len(more)} more' if more else ''}"


def name_run(stem: str, profile: str, ending: str) -> None:
    """Call the run `clip · gpu_fp32 · coherent`, so that a list of runs shows how each ended."""
    rename(BETWEEN.join((stem, profile, ending)))


def name_ending(ending: str) -> None:
    """Add how the run ended to the name that it has: `batch · inbox · 3 of 14 failed`."""
    if not connected():
        return
    from prefect.runtime import flow_run  # noqa: PLC0415  # as above

    rename(BETWEEN.join((str(flow_run.name), ending)))


def rename(name: str) -> None:
    """Give the run another name, where a server lists runs."""
    if not connected():
        return
    from prefect.client.orchestration import get_client  # noqa: PLC0415  # as above
    from prefect.runtime import flow_run  # noqa: PLC0415

    with best_effort("The run's name"), get_client(sync_client=True) as client:
        client.set_flow_run_name(UUID(str(flow_run.id)), name)

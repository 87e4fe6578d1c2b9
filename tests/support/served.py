"""Questions to a Prefect server that tests wait on: what it records arrives a moment after it happens."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.objects import Artifact, FlowRun
from prefect.client.schemas.sorting import ArtifactSort

T = TypeVar("T")


def wait_for(ask: Callable[[], T], seconds: float = 60) -> T:
    """Ask until the answer is true, or until patience ends; the last answer is returned either way."""
    until = time.monotonic() + seconds
    while not (answer := ask()) and time.monotonic() < until:
        time.sleep(0.2)
    return answer


def newest_artifact(key: str) -> Artifact:
    """The artifact of that key that was made last; without a filter the server answers with any 200."""
    with get_client(sync_client=True) as client:
        mine = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
        return client.read_artifacts(artifact_filter=mine, sort=ArtifactSort.CREATED_DESC, limit=1)[0]


def run_that_made(artifact: Artifact) -> FlowRun:
    """The flow run that an artifact belongs to."""
    assert artifact.flow_run_id
    with get_client(sync_client=True) as client:
        return client.read_flow_run(artifact.flow_run_id)


def events(name: str, resource: str, count: int = 1) -> list[dict[str, Any]]:
    """Events of a name about a resource, once there are that many, the latest first."""
    wanted = {"event": {"name": [name]}, "resource": {"id": [resource]}}

    def ask() -> list[dict[str, Any]]:
        with get_client(sync_client=True) as client:
            answer = client._client.post("/events/filter", json={"filter": wanted}).json()
        found: list[dict[str, Any]] = answer["events"]
        return found if len(found) >= count else []

    return wait_for(ask)


def artifacts(flow_run_id: Any) -> dict[str, Any]:
    """Data of a flow run's artifacts by type."""
    wanted = {"artifacts": {"flow_run_id": {"any_": [str(flow_run_id)]}}}
    with get_client(sync_client=True) as client:
        found = client._client.post("/artifacts/filter", json=wanted).json()
    return {one["type"]: one["data"] for one in found}

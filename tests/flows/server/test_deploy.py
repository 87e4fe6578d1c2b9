"""`make deploy`: what it puts onto a server, once and again."""

import platform
from pathlib import Path
from typing import Any

import pytest
import yaml
from deployments import AUTOMATIONS, DEPLOYMENTS
from prefect.client.orchestration import get_client

from flows.server.deploy import POOLS, gpu_slot_of_this_machine, make_automations, make_gpu_limit, make_pools

pytestmark = pytest.mark.usefixtures("clean_settings")


def test_every_pool_of_a_deployment_is_made() -> None:
    """A deployment whose pool nobody makes has runs that wait for ever; a pool without deployments has idle workers."""
    assert {one["work_pool"]["name"] for one in DEPLOYMENTS.values()} == POOLS.keys()


def test_the_gpu_limit_is_the_machines_unless_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Machines that share a server do not share a GPU; STEP4_GPU_SLOT says otherwise."""
    assert gpu_slot_of_this_machine() == f"gpu:{platform.node()}"

    monkeypatch.setenv("STEP4_GPU_SLOT", "gpu:rack")
    assert gpu_slot_of_this_machine() == "gpu:rack"


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
def test_deploying_again_changes_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pools, limit and automations are there once, as the second time said."""
    monkeypatch.setenv("STEP4_GPU_SLOT", "gpu:test-deploy")
    for gpus in (1, 2):
        make_pools()
        make_gpu_limit(gpus)
        make_automations()

    with get_client(sync_client=True) as client:
        pools = {pool.name: (pool.type, pool.description) for pool in client.read_work_pools()}
        limit = client.read_global_concurrency_limit_by_name("gpu:test-deploy")
        found = {one["name"]: len(client.read_automations_by_name(one["name"])) for one in AUTOMATIONS}
    assert {name: pools[name] for name in POOLS} == {name: ("process", said) for name, said in POOLS.items()}
    assert limit.limit == 2
    assert set(found.values()) == {1}


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
def test_an_automation_keeps_what_it_watches(tmp_path: Path) -> None:
    """The same trigger while nothing has changed, the same automation where something has, and one of each name."""
    same, other = tmp_path / "same.yaml", tmp_path / "other.yaml"
    entry = {**AUTOMATIONS[0], "name": "watching"}
    same.write_text(yaml.safe_dump({"automations": [entry]}))
    other.write_text(yaml.safe_dump({"automations": [{**entry, "description": "New."}]}))

    def made(file: Path) -> dict[str, Any]:
        make_automations(file)
        with get_client(sync_client=True) as client:
            (found,) = client.read_automations_by_name("watching")
            answer: dict[str, Any] = client.request("GET", "/automations/{id}", path_params={"id": found.id}).json()
        return answer

    first, again, changed = made(same), made(same), made(other)
    assert (again["id"], again["trigger"]["id"]) == (first["id"], first["trigger"]["id"])
    assert (changed["id"], changed["description"]) == (first["id"], "New.")

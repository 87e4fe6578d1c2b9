"""The place on the GPU: only GPU inference waits for one, and a misspelt limit lets nobody in."""

import logging
from contextlib import ExitStack
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.settings import PREFECT_API_URL, temporary_settings

from profiles.settings import Configuration
from tasks.device import plan_device
from tasks.engine.core.errors import DeviceError, UsageError
from tasks.engine.dependencies import Dependencies
from tasks.engine.testing import ONE_GPU
from tasks.orchestration.gpu_slot import in_gpu_slot, slot

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_server", "clean_settings")]


def taken(limit: str) -> int:
    """Places of a limit that are held now."""
    with get_client(sync_client=True) as client:
        return client.read_global_concurrency_limit_by_name(limit).active_slots


@pytest.fixture
def limit() -> str:
    """A limit of one place, of this test's own."""
    name = f"gpu:{uuid4()}"
    with get_client(sync_client=True) as client:
        client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=name, limit=1))
    return name


def held_during_inference(seen_at: str, *, cpu: bool = False) -> int:
    """How many places of a limit are taken while a run infers."""
    seen: list[int] = []

    def look(*_: Any) -> Any:
        seen.append(taken(seen_at))

    plan = plan_device(Configuration.resolve({}), ONE_GPU)

    @flow(name="slot")
    def run() -> None:
        dependencies = in_gpu_slot(replace(Dependencies(), diarizer=look))
        dependencies.diarizer(None, plan.as_reference() if cpu else plan, None, None)

    run()
    return seen[0]


def test_gpu_inference_holds_a_place_and_gives_it_back(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One place is taken while the diarizer runs, none afterwards."""
    monkeypatch.setenv("STEP4_GPU_SLOT", limit)

    assert held_during_inference(limit) == 1
    assert taken(limit) == 0


def test_cpu_inference_holds_no_place(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference, and a run that fell back, leave the GPU to others."""
    monkeypatch.setenv("STEP4_GPU_SLOT", limit)

    assert held_during_inference(limit, cpu=True) == 0


def test_without_the_setting_nothing_is_asked_of_a_server(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A laptop has no limits."""
    monkeypatch.delenv("STEP4_GPU_SLOT", raising=False)

    assert held_during_inference(limit) == 0
    assert in_gpu_slot(dependencies := Dependencies()) is dependencies


def test_a_misspelt_limit_is_an_error_that_says_how_to_make_it(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a GPU that everybody uses at once."""
    monkeypatch.setenv("STEP4_GPU_SLOT", f"{limit}-typo")

    with pytest.raises(UsageError, match="prefect gcl create"):
        held_during_inference(limit)


def test_a_finished_inference_is_kept_though_the_place_cannot_be_given_back(
    limit: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The server goes away during the inference: a warning, and the place is free again when its lease ends."""
    results = []
    with ExitStack() as away, caplog.at_level(logging.WARNING, logger="step4"):
        with slot(limit):
            results.append("found")
            away.enter_context(temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}))
        results.append("kept")

    assert results == ["found", "kept"]
    assert "place on the GPU" in caplog.text


def test_a_failed_inference_is_what_is_told_where_both_fail(limit: str) -> None:
    """The retry on the CPU goes by the device's error, which the server's must not hide."""

    def lose_card_and_server(away: ExitStack) -> None:
        away.enter_context(temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}))
        raise DeviceError("the card was lost")

    with ExitStack() as away, pytest.raises(DeviceError, match="lost"), slot(limit):
        lose_card_and_server(away)

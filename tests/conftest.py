"""What all tests share: a Prefect server for those that ask, and no setting or token of the machine they run on."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import distribution
import pytest

import flows  # noqa: F401  # sets Prefect's defaults before Prefect is imported
from tasks.engine.system.environment import TOKEN_VARIABLES

for name in TOKEN_VARIABLES:
    os.environ.pop(name, None)
# A flow run without a server would start one by itself, for ten seconds: the test lacks the fixture.
os.environ["PREFECT_SERVER_EPHEMERAL_ENABLED"] = "false"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> distribution.Scheduling | None:
    """`--dist loadfile`, as `tests/support/distribution.py` has it."""
    config.option.loadscopereorder = False
    return distribution.Scheduling(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """In a process among several, whatever is waited for last has the processors."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        distribution.give_way(item.nodeid)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long ones first."""
    distribution.longest_first(items)


@pytest.fixture(scope="session")
def prefect_api() -> Iterator[str]:
    """Address of a real Prefect API with a database of its own; named to no test that does not ask for it.

    The harness names it to threads without a context, too: what Prefect sends in the background goes there.
    """
    from prefect.settings import PREFECT_API_URL, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        address = str(PREFECT_API_URL.value())
        with temporary_settings({PREFECT_API_URL: None}):
            yield address


@pytest.fixture
def prefect_server(prefect_api: str) -> Iterator[None]:
    """Name that server to this test: commands and flow runs report to it."""
    from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    # Stopping the heartbeat thread costs a second per flow.
    with temporary_settings({PREFECT_API_URL: prefect_api, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield


@pytest.fixture(autouse=True)
def same_environment() -> Iterator[None]:
    """What a command sets for its own process, `PREFECT_LOGGING_LEVEL` among it, is not left to the tests after it."""
    before = dict(os.environ)
    yield
    if dict(os.environ) != before:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture
def clean_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable and no `.env` of the machine that runs the tests reaches them."""
    from profiles.settings import Environment

    for field in Environment.model_fields.values():
        for variable in field.validation_alias.choices:
            monkeypatch.delenv(variable, raising=False)
    # What this machine's self-checks said is no business of the tests.
    monkeypatch.setenv("STEP4_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("STEP4_DIAGNOSTICS_DIR", str(tmp_path / "diagnostics"))
    monkeypatch.chdir(tmp_path)

"""The lock: what it may hold, since the Pythons that we name must all run what it holds for them."""

import re
from collections import Counter
from pathlib import Path

import pytest
from paths import ROOT

LOCKS = sorted(ROOT.glob("requirements*.txt"))
ENTRY = re.compile(r"^(?P<name>[a-z0-9._-]+)==(?P<version>\S+)(?: ; (?P<marker>.*?))? \\$", re.MULTILINE)
"""A locked package: its name, version, and where it is installed; its hashes stand on lines of their own."""

ONLY_ON_SOME = {
    "async-timeout": "Prefect's, before Python 3.11.3: a backport",
    "pendulum": "Prefect's, before Python 3.13",
    "tzdata": "pendulum's, before Python 3.13",
    "whenever": "Prefect's, from Python 3.13 on",
    "httpx2-jsfetch": "never on a machine of ours: emscripten alone",
}
"""Packages that not every Python gets. `.ci/run` tests 3.11 and 3.13, so that each of them is tried."""


def entries(lock: Path) -> list[re.Match[str]]:
    """Every locked package."""
    return list(ENTRY.finditer(lock.read_text(encoding="utf-8")))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_python_gets_the_same_versions(lock: Path) -> None:
    """One version of each package: with two, one Python runs what the other was tried with."""
    versions = Counter(entry["name"] for entry in entries(lock))

    assert len(versions) > 100
    assert [name for name, count in versions.items() if count > 1] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_what_only_some_pythons_get_is_tried_on_them(lock: Path) -> None:
    """A package that depends on the Python stands on the list of those that are tried."""
    depending = {entry["name"] for entry in entries(lock) if "python_full_version" in (entry["marker"] or "")}

    assert depending - ONLY_ON_SOME.keys() == set()


def test_no_registry_address_is_committed() -> None:
    """Lock files name packages and hashes, never where they came from."""
    files = [*LOCKS, ROOT / "pyproject.toml"]

    assert len(files) == 3
    assert [path.name for path in files if "://" in path.read_text(encoding="utf-8")] == []

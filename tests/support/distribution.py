"""Which tests share a process of `pytest -n`, and which begin first."""

import os
import re
from collections import Counter
from functools import cache

import pytest
from paths import ROOT
from xdist.scheduler import LoadFileScheduling

END_TO_END = "tests/e2e/"
SERVER_FIXTURES = re.compile(r"\bprefect_(?:server|api)\b")
WITH_A_SERVER = "tests that wait for a Prefect server"
"""They go together: a process starts one server, for ten seconds of a processor, and one `make serve`."""

LESS_URGENT = 5


class Scheduling(LoadFileScheduling):
    """A file's tests share a process, and all files do that wait for a Prefect server."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def group_of(nodeid: str) -> str:
    """What a test shares a process with: its file, for most."""
    file = nodeid.partition("::")[0]
    return WITH_A_SERVER if waits_for_server(file) else file


@cache
def waits_for_server(file: str) -> bool:
    """Whether a file of tests stands among the end-to-end tests or names a fixture that starts a server."""
    return file.startswith(END_TO_END) or bool(SERVER_FIXTURES.search((ROOT / file).read_text(encoding="utf-8")))


def longest_first(items: list[pytest.Item]) -> None:
    """Put groups whose tests take long before others: whoever begins one of them last is waited for."""
    groups = {item: group_of(item.nodeid) for item in items}
    slow = Counter(groups[item] for item in items if item.get_closest_marker("slow"))
    # Of those with a server the end-to-end tests are first, one after the other: `make serve` is there only as long.
    items.sort(
        key=lambda item: (
            groups[item] != WITH_A_SERVER,
            not item.nodeid.startswith(END_TO_END),
            -slow[groups[item]],
        )
    )


def give_way(nodeid: str) -> None:
    """Let tests with a server go first on a busy machine, if this is none: that process takes longest."""
    if group_of(nodeid) != WITH_A_SERVER:
        os.setpriority(os.PRIO_PROCESS, 0, max(LESS_URGENT, os.getpriority(os.PRIO_PROCESS, 0)))

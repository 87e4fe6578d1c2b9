"""Which tests share a process of `pytest -n`, and which begin first."""

from collections import Counter

import pytest
from xdist.scheduler import LoadFileScheduling

END_TO_END = "tests/e2e/"
"""One `make serve` serves all of them, and they mostly wait for it: they go together, and beside whatever computes."""


class Scheduling(LoadFileScheduling):
    """A file's tests share a process, and all end-to-end tests do; units of work keep the order of the collection."""

    def _split_scope(self, nodeid: str) -> str:
        return END_TO_END if nodeid.startswith(END_TO_END) else super()._split_scope(nodeid)


def longest_first(items: list[pytest.Item]) -> None:
    """Put files whose tests take long before others: whoever begins one of them last is waited for."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: (not item.nodeid.startswith(END_TO_END), -slow[item.path]))

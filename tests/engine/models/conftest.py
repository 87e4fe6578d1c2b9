"""A hub in a box for the tests of what fetches from one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_box import HubBox, hub_in_a_box, use
from stand_in_models import COMMUNITY, community

WEIGHTS = b"weights" * 20_000
"""Stand for every network where none is loaded: 140 kB, three chunks of the Xet store."""


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubBox]:
    """A box with community-1 in it, that the client asks with an empty cache of its own."""
    with hub_in_a_box() as box:
        box.add(COMMUNITY, community(WEIGHTS))
        use(box, tmp_path / "hub", monkeypatch)
        yield box

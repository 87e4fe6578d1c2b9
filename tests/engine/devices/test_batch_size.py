"""The planned batch size: from free memory, within what pays."""

import pytest

from tasks.engine.core.constants import GIB
from tasks.engine.devices.batch_size import auto_batch_size


@pytest.mark.parametrize(
    ("free", "on_cpu", "size"),
    [(64 * GIB, False, 32), (2 * GIB, False, 8), (0, False, 1), (64 * GIB, True, 4), (GIB // 4, True, 1)],
)
def test_the_planned_size_fits_in_half_of_the_free_memory(free: int, size: int, *, on_cpu: bool) -> None:
    """A power of two, at most what pays, at least one window."""
    assert auto_batch_size(free, on_cpu=on_cpu) == size

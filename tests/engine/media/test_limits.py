"""Limits on one video."""

from dataclasses import fields

import pytest

from tasks.engine.core.constants import GIB
from tasks.engine.core.errors import MediaError
from tasks.engine.media.limits import DESCRIPTIONS, UNITS, MediaLimits


def test_every_limit_is_described() -> None:
    """Settings, documentation and refusals read unit and description from here."""
    names = {field.name for field in fields(MediaLimits)}

    assert names == set(DESCRIPTIONS) == set(UNITS)
    assert all(description.endswith(".") for description in DESCRIPTIONS.values())
    assert all(UNITS.values())


def test_the_limit_itself_is_accepted() -> None:
    """One more is not, nor is NaN; the sentence has the file, the value, the limit and the unit."""
    limits = MediaLimits(channels=2)
    limits.check("channels", 2, "clip.mp4")
    with pytest.raises(MediaError, match=r"^'clip.mp4' holds 3 channels: up to 2 channels would be accepted\.$"):
        limits.check("channels", 3, "clip.mp4")
    with pytest.raises(MediaError):
        limits.check("hours", float("nan"), "clip.mp4")


def test_larger_files_may_be_read_for_longer() -> None:
    """A second for every 2 MB; the output is bounded by what is promised and by what may be written at all."""
    limits = MediaLimits(wall_sec=10, cpu_sec=5, memory_mib=2, decoded_gib=1.0)
    bounds = limits.bounds(4_000_000, 1000)

    assert (bounds.wall_sec, bounds.cpu_sec, bounds.memory_bytes, bounds.output_bytes) == (12, 7, 2 << 20, 1000)
    assert limits.bounds(0).output_bytes == GIB
    assert limits.bounds(0, 2 * GIB).output_bytes == GIB

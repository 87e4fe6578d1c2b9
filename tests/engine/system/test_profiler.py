"""Seconds and memory of each stage."""

import mmap

from tasks.engine.system.profiler import mark_stage, profile_stages


def test_each_mark_ends_a_stage() -> None:
    """From one mark to the next; memory that a stage holds at its end is in its peak, and a CPU has no device's."""
    with profile_stages("cpu") as profiler:
        mark_stage("small")
        # Mapped anew: what malloc hands out may have been resident before.
        with mmap.mmap(-1, 32 << 20) as held:
            held.write(b"x" * len(held))
            mark_stage("large")
    small, large = profiler.measurements

    assert [small.stage, large.stage] == ["small", "large"]
    assert large.rss_mib - small.rss_mib > 16
    assert small.seconds >= 0
    assert large.device_mib is None


def test_marks_within_one_stage_do_not_count() -> None:
    """A block that is one stage is marked by its profiler alone, and the outer profiler is back afterwards."""
    with profile_stages("cpu") as outer:
        with profile_stages("cpu", marked_within=False) as inner:
            mark_stage("inside")
            inner.mark("block")
        mark_stage("outside")

    assert [measurement.stage for measurement in inner.measurements] == ["block"]
    assert [measurement.stage for measurement in outer.measurements] == ["outside"]


def test_a_mark_without_profiler_does_nothing() -> None:
    """Nor does one behind the block's end."""
    mark_stage("before")
    with profile_stages("cpu") as profiler:
        pass
    mark_stage("after")

    assert profiler.measurements == []

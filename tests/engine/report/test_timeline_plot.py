"""The plot: bounded in size for any video, and true to what it shows."""

from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.engine.core.timeline import Timeline
from tasks.engine.report.timeline_plot import draw, shares

PNG = b"\x89PNG\r\n\x1a\n"


def timeline(active: NDArray[np.bool_], names: tuple[str, ...]) -> Timeline:
    """A timeline of (n, S) activity at 25 frames a second."""
    return Timeline(
        video_filename="clip.mp4",
        fps=Fraction(25),
        timecodes=np.arange(len(active)) / 25,
        speech=active.any(axis=1),
        speakers=names,
        active=active,
        count=active.sum(axis=1).astype(np.uint8),
    )


def talk(frames: int, speakers: int = 2, seed: int = 1) -> Timeline:
    """Speakers who change every second or so, at random."""
    seconds = np.random.default_rng(seed).random((frames // 25 + 1, speakers)) < 1 / max(speakers, 1)
    return timeline(np.repeat(seconds, 25, axis=0)[:frames], tuple(f"SPEAKER_{i:02}" for i in range(speakers)))


@pytest.mark.parametrize(("frames", "speakers"), [(0, 0), (1, 1), (750, 2), (900_000, 12)])
def test_a_plot_stays_small(frames: int, speakers: int) -> None:
    """From nothing at all to ten hours with a dozen speakers on both sides: a PNG under 200 kB."""
    plot = draw(talk(frames, speakers), talk(frames, speakers, seed=2))

    assert plot.startswith(PNG)
    assert len(plot) < 200_000


def test_the_same_timelines_give_the_same_plot() -> None:
    """No date, no chance: plots of two runs can be compared."""
    assert draw(talk(750)) == draw(talk(750))


def test_a_difference_is_seen() -> None:
    """Swapping one side changes the plot."""
    assert draw(talk(750), talk(750)) != draw(talk(750), talk(750, seed=2))


def test_each_column_tells_its_share_of_active_frames() -> None:
    """Eight frames in four columns; more columns than frames leave empty ones at 0."""
    active = np.array([1, 1, 1, 0, 0, 0, 0, 1], dtype=bool)

    assert shares(active, 4).tolist() == [1.0, 0.5, 0.0, 0.5]
    assert shares(active[:0], 3).tolist() == [0.0, 0.0, 0.0]

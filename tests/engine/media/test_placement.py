"""Frames that say when they are heard, laid on one line of time."""

from pathlib import Path

import numpy as np
import pytest

from tasks.engine.media.placement import place


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([(0, 2), (2, 3)], [1, 2, 3, 4, 5]),
        ([(2, 2), (4, 3)], [0, 0, 1, 2, 3, 4, 5]),
        ([(0, 2), (3, 3)], [1, 2, 0, 3, 4, 5]),
        ([(0, 3), (2, 2)], [1, 2, 3, 5]),
        ([(-1, 3), (2, 2)], [2, 3, 4, 5]),
        ([(-5, 3), (0, 2)], [4, 5]),
        ([(0, 4), (1, 1)], [1, 2, 3, 4]),
        ([(0, 2), (99, 3)], [1, 2]),
    ],
)
def test_frames_lie_at_their_times(tmp_path: Path, frames: list[tuple[int, int]], expected: list[int]) -> None:
    """Silence between them, nothing before zero, of two at a time the first, and nothing beyond the limit."""
    np.arange(1, 6, dtype="<f4").tofile(tmp_path / "in")
    place(tmp_path / "in", frames, 1, tmp_path / "out", 50)
    assert np.fromfile(tmp_path / "out", dtype="<f4").tolist() == expected


def test_channels_stay_together(tmp_path: Path) -> None:
    """Two channels are placed like one."""
    np.array([[1, -1], [2, -2], [3, -3]], dtype="<f4").tofile(tmp_path / "in")
    place(tmp_path / "in", [(1, 1), (1, 2)], 2, tmp_path / "out", 50)
    assert np.fromfile(tmp_path / "out", dtype="<f4").tolist() == [0, 0, 1, -1, 3, -3]

"""Timelines drawn by hand."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tasks.engine.core.timeline import Timeline

Spans = Sequence[tuple[int, int]]


def make(voices: Mapping[str, Spans], frames: int, *, fps: Fraction | int = 25, **changes: Any) -> Timeline:
    """A timeline in which each speaker is active in the given [first, stop) frames, counted from 0."""
    names = tuple(sorted(voices))
    active = np.zeros((frames, len(names)), dtype=bool)
    for column, name in enumerate(names):
        for first, stop in voices[name]:
            active[first:stop, column] = True
    fields: dict[str, Any] = {
        "video_filename": "clip.mp4",
        "fps": Fraction(fps),
        "timecodes": np.arange(frames) / float(fps),
        "speech": active.any(axis=1),
        "speakers": names,
        "active": active,
        "count": active.sum(axis=1).astype(np.uint8),
    }
    return Timeline(**fields | changes)


@pytest.fixture(scope="session")
def timeline() -> Callable[..., Timeline]:
    """`make`, as a fixture because test folders are not packages."""
    return make

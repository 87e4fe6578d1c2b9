"""Two timelines that differ, for pages about them."""

from fractions import Fraction

import numpy as np

from tasks.engine.core.frames import FrameGrid
from tasks.engine.core.timeline import Timeline, timeline_of
from tasks.engine.core.turns import SpeechScores, Turn

STEP = 0.016875
RATE = 16_000


def timeline(turns: list[Turn], seconds: float, grid: FrameGrid | None = None) -> Timeline:
    """The table of these turns, with scores that follow them."""
    values = np.full(int(seconds / STEP) + 1, 0.05, np.float32)
    for turn in turns:
        values[int(turn.start / STEP) : int(turn.end / STEP)] = 0.95
    return timeline_of(turns, SpeechScores(values, 0.0, STEP), grid or FrameGrid(round(25 * seconds), Fraction(25)))


def pair(seconds: int = 120) -> tuple[Timeline, Timeline]:
    """Reference and candidate: two speakers take turns, and the candidate hears nothing from the middle on for 20 s."""
    turns = [Turn(t + 0.5, t + 3.0, f"SPEAKER_{t // 4 % 2:02}") for t in range(0, seconds - 4, 4)]
    middle = seconds / 2
    kept = [turn for turn in turns if not middle <= turn.start < middle + 20]
    return timeline(turns, seconds), timeline(kept, seconds)


def tone(seconds: float) -> np.ndarray:
    """(samples,) float32 at `RATE`: a tone that comes and goes."""
    times = np.arange(round(seconds * RATE)) / RATE
    return (0.01 * np.sin(2 * np.pi * 220 * times) * (times % 4 < 3)).astype(np.float32)

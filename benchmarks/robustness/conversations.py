"""Conversations of real speakers, made of one recording of each: turns, pauses, interruptions, levels, noise.

No two share a stretch of speech on purpose, none plays a voice faster: what `spot_check_power.py` calls sound is so.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.io import wavfile

from tasks.engine.core.constants import SAMPLE_RATE

Samples = NDArray[np.float32]
Rng = np.random.Generator

SPEAKERS = (2, 5)
LENGTH_SEC = (122.0, 215.0)
TURN_SEC = (1.0, 14.0)
PAUSE_SEC = (-0.6, 1.2)
"""From the end of a turn to the next: below zero one interrupts."""
LEVEL_DB = (-6.0, 6.0)
NOISE_DB = (-65.0, -45.0)


def recordings_in(folder: Path) -> dict[str, Samples]:
    """Every recording of one speaker in a folder, WAV of 16 bits at 16 kHz, mono: name to (samples,)."""
    return {path.stem: wavfile.read(path)[1] / np.float32(32768) for path in sorted(folder.glob("*.wav"))}


def conversation(recordings: dict[str, Samples], number: int) -> Samples:
    """Return (samples,) of the conversation of that number: some speakers take turns of their own recordings."""
    rng = np.random.default_rng((11, number))
    chosen = rng.choice(sorted(recordings), rng.integers(*SPEAKERS), replace=False)
    gains = dict(zip(chosen, 10 ** (rng.uniform(*LEVEL_DB, len(chosen)) / 20), strict=True))
    length = count_of(rng.uniform(*LENGTH_SEC))
    heard = rng.normal(scale=10 ** (rng.uniform(*NOISE_DB) / 20), size=length)
    at, last = 0, ""
    while at < length:
        last = str(rng.choice([name for name in chosen if name != last]))
        turn = gains[last] * piece(recordings[last], count_of(rng.uniform(*TURN_SEC)), rng)
        turn = turn[: length - at]
        heard[at : at + len(turn)] += turn
        at = max(0, at + len(turn) + count_of(rng.uniform(*PAUSE_SEC)))
    return (heard / max(1.0, np.abs(heard).max())).astype(np.float32)


def piece(recording: Samples, count: int, rng: Rng) -> Samples:
    """Cut a piece out at random, faded in and out over 10 ms."""
    first = int(rng.integers(0, len(recording) - count))
    slope = np.minimum(1, np.arange(count) / count_of(0.01))
    return recording[first : first + count] * np.minimum(slope, slope[::-1])


def count_of(seconds: float) -> int:
    """Samples in so many seconds."""
    return round(seconds * SAMPLE_RATE)

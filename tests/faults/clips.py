"""The clips whose real runs are mutated: the shipped recording, and a longer one made of it with more voices."""

import numpy as np
from replay import Reference, Samples

from tasks.engine.core.constants import SAMPLE_RATE
from tasks.engine.media.sample import recording

FASTER = 1.25
"""Played faster, a voice is another voice."""


def seconds(samples: Samples, start: float, stop: float) -> Samples:
    """A piece of samples."""
    return samples[round(start * SAMPLE_RATE) : round(stop * SAMPLE_RATE)]


def at_speed(samples: Samples, speed: float) -> Samples:
    """Played faster or slower, by linear interpolation."""
    places = np.arange(0, len(samples) - 1, speed)
    return np.interp(places, np.arange(len(samples)), samples).astype(np.float32)


def joined() -> Samples:
    """The recording, then a piece of it at another speed, with other voices: 42 s."""
    return np.concatenate([recording(), at_speed(seconds(recording(), 14.5, 29.5), FASTER)])


def paused() -> Samples:
    """Two pieces of the recording with 14 s of digital silence between them: windows in the middle are idle."""
    return np.concatenate([seconds(recording(), 8, 13), np.zeros(14 * SAMPLE_RATE), seconds(recording(), 8, 12)])


def references() -> dict[str, Reference]:
    """A reference per clip; its run is computed when it is first asked for.

    Faults of samples and of arithmetic compute everything again, so they strike a short piece; a shorter one in half
    precision, which takes a CPU 3 s a window.
    """
    clips = {
        "recording": recording(),
        "joined": joined(),
        "piece": seconds(recording(), 7, 22),
        "short piece": seconds(recording(), 7, 19),
        "paused": paused(),
        "silence": np.zeros(12 * SAMPLE_RATE),
    }
    return {name: Reference(name, samples.astype(np.float32)) for name, samples in clips.items()}

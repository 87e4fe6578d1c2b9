"""Constants that more than one package counts with."""

from fractions import Fraction
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]
"""Top of the checkout: flows, tasks, profiles and the models beside them."""

MIB = 1024**2
GIB = 1024**3

SAMPLE_RATE = 16_000
"""Hz of the samples that all models hear."""

ASSUMED_FPS = Fraction(25)
"""Frames a second where there is no picture, or a file states no rate."""

STRETCH_SEC = 30
"""Seconds of the stretch in which a local failure must show."""

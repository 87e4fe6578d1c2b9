"""No false alarm: what may differ between two machines without harm never makes the gate refuse."""

import itertools
from functools import cache

import numpy as np
import pytest
from clips import seconds
from replay import PARAMETERS, Samples, plan_of
from speech import recording

from tasks.engine.core.choices import Verdict
from tasks.engine.core.constants import ASSUMED_FPS, SAMPLE_RATE
from tasks.engine.core.frames import FrameGrid
from tasks.engine.core.timeline import Timeline
from tasks.engine.diagnosis.patching import on_frames
from tasks.engine.gate.drift_report import DriftReport
from tasks.engine.gate.verdict import compare
from tasks.engine.inference.diarizer import diarize

pytestmark = pytest.mark.slow

LENGTH_SEC = 12
STARTS = (0, 5, 10, 14, 18)
LEVELS = {"+10 dB": 10**0.5, "as recorded": 1.0, "-20 dB": 0.1, "-40 dB": 1e-2, "-80 dB": 1e-4}
BATCH_SIZES = (1, 2, 4, 7)
DITHER = 0.01 / 32768
"""A hundredth of the step of 16-bit sound: rounding to the step takes it away."""

CLEAN = list(enumerate(itertools.product(STARTS, LEVELS, BATCH_SIZES)))


def excerpt(start: int) -> Samples:
    """A piece of the recording."""
    return seconds(recording(), start, start + LENGTH_SEC)


def timeline(samples: Samples, *, batch_size: int, threads: int) -> Timeline:
    """A real run, on frames."""
    grid = FrameGrid(int(LENGTH_SEC * ASSUMED_FPS), ASSUMED_FPS)
    assert len(samples) == LENGTH_SEC * SAMPLE_RATE
    return on_frames(diarize(samples, plan_of(batch_size=batch_size, threads=threads), PARAMETERS), grid)


@cache
def reference(start: int) -> Timeline:
    """The excerpt as recorded, one window at a time on one thread."""
    return timeline(excerpt(start), batch_size=1, threads=1)


def test_there_are_a_hundred() -> None:
    """Excerpts, levels and batch sizes; seeds and thread counts change along with them."""
    assert len(CLEAN) == 100


def judged(seed: int, run: tuple[int, str, int]) -> DriftReport:
    """One clean run, held against its excerpt's reference."""
    start, level, batch_size = run
    dither = np.random.default_rng(seed).uniform(-DITHER, DITHER, LENGTH_SEC * SAMPLE_RATE)
    samples = ((excerpt(start) + dither) * LEVELS[level]).astype(np.float32)
    # Two threads on one run of five: on a busy machine threads wait for each other.
    threads = 2 if seed % 5 == 0 else 1
    return compare(reference(start), timeline(samples, batch_size=batch_size, threads=threads))


@pytest.mark.parametrize(("seed", "run"), CLEAN, ids=str)
def test_a_clean_run_is_coherent(seed: int, run: tuple[int, str, int]) -> None:
    """Another level, dither below rounding, another batch size, another thread count: coherent, every time."""
    report = judged(seed, run)

    assert report.verdict is Verdict.COHERENT, report.sentence

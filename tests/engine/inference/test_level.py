"""The level rule: what moves the gain, and what must not."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from speech import recording

from tasks.engine.inference.level import BLOCK, BLOCKS_AT_ONCE, TARGET_RMS, block_levels, gain

SPEECH = recording()


def decibels(factor: float) -> float:
    """An amplitude ratio in decibels."""
    return float(20 * np.log10(factor))


def change(samples: NDArray[np.float32]) -> float:
    """How far these samples' gain is from that of plain speech, in decibels."""
    return abs(decibels(gain(samples.astype(np.float32)) / gain(SPEECH)))


@settings(deadline=None, max_examples=25)
@given(st.floats(min_value=-80, max_value=20))
def test_every_recording_level_ends_at_the_same_level(level: float) -> None:
    """From -80 to +20 dB, gain times samples is the same within float32 rounding."""
    factor = np.float32(10 ** (level / 20))

    assert gain(SPEECH * factor) * float(factor) == pytest.approx(gain(SPEECH), rel=1e-5)


def test_the_loud_blocks_end_at_the_target() -> None:
    """Of a steady tone, every block: its root mean square times the gain is the target."""
    tone = 0.01 * np.sqrt(2) * np.sin(2 * np.pi * 1000 * np.arange(16000 * 4) / 16000)

    assert gain(tone.astype(np.float32)) == pytest.approx(TARGET_RMS / 0.01, rel=1e-4)


@pytest.mark.parametrize("offset", [0.1, 0.5, -0.5])
def test_a_constant_offset_does_not_count(offset: float) -> None:
    """Quiet speech beside an offset a thousand times larger gets the gain that it gets without."""
    quiet = SPEECH * np.float32(1e-2)

    assert gain(quiet + np.float32(offset)) == pytest.approx(gain(quiet), rel=1e-3)


@pytest.mark.parametrize("samples", [0, 1, 100, BLOCK, 5 * BLOCK + 1])
@pytest.mark.parametrize("value", [0.0, 1e-9, 0.3])
def test_digital_silence_is_left_alone(samples: int, value: float) -> None:
    """Nothing, zeros and constants of any length: a gain of 1."""
    assert gain(np.full(samples, value, dtype=np.float32)) == 1.0


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_silence_around_speech_changes_little(share: float) -> None:
    """Half or nine tenths zeros, before, after and within: less than 2 dB."""
    zeros = np.zeros(int(len(SPEECH) * share / (1 - share)), dtype=np.float32)
    inner = np.concatenate([part for third in np.array_split(SPEECH, 3) for part in (third, zeros[: len(zeros) // 3])])

    assert change(np.concatenate((zeros, SPEECH))) < 2
    assert change(np.concatenate((SPEECH, zeros))) < 2
    assert change(inner) < 2


def test_a_click_changes_little() -> None:
    """10 ms at full scale in speech at -60 dB: less than 2 dB."""
    quiet = SPEECH * np.float32(1e-3)
    clicked = quiet.copy()
    clicked[240_000:240_160] = np.tile([1, -1], 80)

    assert abs(decibels(gain(clicked) / gain(quiet))) < 2


def test_a_broken_sample_costs_its_block_only() -> None:
    """NaN and Inf are reported by the engine, window and all; the gain stays finite."""
    broken = SPEECH.copy()
    broken[1000], broken[100_000] = np.nan, np.inf

    assert change(broken) < 1


def test_shorter_than_a_block_is_one_block() -> None:
    """A tenth of a second has a level too."""
    short = SPEECH[200_000:201_600]

    assert gain(short) == pytest.approx(TARGET_RMS / float(short.std(dtype=np.float64)))


def test_reading_in_stretches_is_reading_at_once() -> None:
    """The levels are those of the whole array, where it is longer than a stretch and no multiple of one."""
    samples = np.random.default_rng(0).normal(0, 0.1, BLOCK * (BLOCKS_AT_ONCE + 3) + 7).astype(np.float32)
    whole = samples[: len(samples) // BLOCK * BLOCK].reshape(-1, BLOCK)

    np.testing.assert_array_equal(list(block_levels(samples)), whole.std(axis=1, dtype=np.float64))


def test_a_memory_mapped_file_is_read_and_not_written(tmp_path: Path) -> None:
    """Read-only samples on disk give the gain of the same samples in memory, and stay as they are."""
    path = tmp_path / "samples.f32"
    SPEECH.tofile(path)
    before = path.read_bytes()

    assert gain(np.memmap(path, dtype=np.float32, mode="r")) == gain(SPEECH)
    assert path.read_bytes() == before

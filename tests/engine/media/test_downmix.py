"""Two channels become one, and nothing is averaged away."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.engine.media.downmix import BLOCK, STRETCH, mix

NOISE = np.random.default_rng(5).normal(0, 0.1, 80 * BLOCK).astype("<f4")
OTHER = np.random.default_rng(6).normal(0, 0.1, 80 * BLOCK).astype("<f4")


def mixed(folder: Path, left: NDArray[np.float32], right: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
    """The mix of two channels, and its share of opposite blocks."""
    np.stack([left, right], axis=1).astype("<f4").tofile(folder / "two")
    share = mix(folder / "two", folder / "one")
    return np.fromfile(folder / "one", dtype="<f4"), share


@pytest.mark.parametrize("right", [NOISE, NOISE * 0, OTHER, NOISE * np.float32(0.3), NOISE + OTHER], ids=range(5))
def test_usual_channels_are_averaged(tmp_path: Path, right: NDArray[np.float32]) -> None:
    """In phase, one alone, unrelated, one softer: the average and nothing else, bit by bit."""
    mono, share = mixed(tmp_path, NOISE, right)
    assert share == 0
    assert np.array_equal(mono, (NOISE + right) * np.float32(0.5))


@pytest.mark.parametrize("factor", [-1.0, -0.8, -1.2])
def test_opposite_channels_do_not_cancel(tmp_path: Path, factor: float) -> None:
    """The left channel stands for both, at its own level, also where the two are not quite equal."""
    mono, share = mixed(tmp_path, NOISE, NOISE * np.float32(factor))
    assert share == 1
    assert np.allclose(mono, NOISE, atol=1e-6)


def test_only_where_they_are_opposite(tmp_path: Path) -> None:
    """A stretch with exchanged poles within a good recording, to its very ends: the rest is averaged."""
    tone = np.sin(np.arange(80 * BLOCK) / 20).astype("<f4")
    first, last = 20, 20 + STRETCH
    sign = np.ones_like(tone)
    sign[first * BLOCK : last * BLOCK] = -1
    mono, share = mixed(tmp_path, tone, tone * sign)
    assert share == pytest.approx(STRETCH / 80)
    assert np.array_equal(mono[: (first - 1) * BLOCK], tone[: (first - 1) * BLOCK])
    opposite = slice((first + 1) * BLOCK, (last - 1) * BLOCK)
    assert np.allclose(mono[opposite], tone[opposite], atol=1e-6)
    assert np.array_equal(mono[(last + 1) * BLOCK :], tone[(last + 1) * BLOCK :])


def test_a_centre_survives_wide_music(tmp_path: Path) -> None:
    """Speech in both channels under music that is opposite and 6 dB louder: the average, in its pauses too."""
    speech = NOISE.copy()
    speech[5 * BLOCK : (5 + STRETCH - 4) * BLOCK] = 0
    mono, share = mixed(tmp_path, speech + 2 * OTHER, speech - 2 * OTHER)
    assert share == 0
    assert np.allclose(mono, speech, atol=1e-6)


@pytest.mark.parametrize("count", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 600 * BLOCK + 7])
def test_any_length(tmp_path: Path, count: int) -> None:
    """As many samples as went in; silence is no opposite."""
    silence = np.zeros(count, dtype="<f4")
    tone = np.sin(np.arange(count) / 20).astype("<f4")
    assert len(mixed(tmp_path, silence, silence)[0]) == count
    mono, _ = mixed(tmp_path, tone, -tone)
    assert np.allclose(mono, tone, atol=1e-6)


def test_what_is_not_finite_stays_so(tmp_path: Path) -> None:
    """A NaN is for the check that follows to refuse."""
    left = NOISE.copy()
    left[5] = np.nan
    mono, _ = mixed(tmp_path, left, -NOISE)
    assert np.isnan(mono[5])

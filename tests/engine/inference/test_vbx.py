"""VBx in blocks is pyannote's VBx: the same speakers, priors and responsibilities, and no large array."""

import tracemalloc

import numpy as np
import pytest
from pyannote.audio.utils import vbx

from tasks.engine.inference.vbx import KEPT, BoundedVBx

DIMENSION, SPEAKERS, CLUSTERS = 16, 4, 37
PHI = np.linspace(8, 0.5, DIMENSION)


def problem(embeddings: int = 600, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(embeddings,) first clusters, too many, and (embeddings, dimension) features of four speakers."""
    generator = np.random.default_rng(seed)
    speakers = generator.standard_normal((SPEAKERS, DIMENSION)) * np.sqrt(PHI)
    who = generator.integers(SPEAKERS, size=embeddings)
    features = speakers[who] + generator.standard_normal((embeddings, DIMENSION))
    clusters = who + SPEAKERS * generator.integers(CLUSTERS // SPEAKERS, size=embeddings)
    return np.unique(clusters, return_inverse=True)[1], features


@pytest.mark.parametrize("largest", [1, 1000, 10**9])
@pytest.mark.parametrize(("weight", "rounds"), [(0.07, 20), (0.3, 3), (1.0, 1)])
def test_responsibilities_are_pyannote_s(largest: int, weight: float, rounds: int) -> None:
    """One embedding at a time, some, or all at once; rounds that end by themselves, and that are cut off."""
    clusters, features = problem()
    expected, priors = vbx.cluster_vbx(clusters, features, PHI, Fa=weight, Fb=0.8, maxIters=rounds)
    found, ours = BoundedVBx(largest)(clusters, features, PHI, Fa=weight, Fb=0.8, maxIters=rounds)

    assert (priors > KEPT).sum() == (ours > KEPT).sum()
    np.testing.assert_allclose(ours[ours > KEPT], priors[priors > KEPT], rtol=1e-9)
    np.testing.assert_allclose(found[:, ours > KEPT], expected[:, priors > KEPT], rtol=1e-6, atol=1e-12)


def test_small_problems_are_left_to_pyannote() -> None:
    """Up to the limit the very bits of stock."""
    clusters, features = problem()
    expected, priors = vbx.cluster_vbx(clusters, features, PHI, Fa=0.07, Fb=0.8, maxIters=20)
    found, ours = BoundedVBx()(clusters, features, PHI, Fa=0.07, Fb=0.8, maxIters=20)

    assert np.array_equal(found, expected)
    assert np.array_equal(ours, priors)


def test_memory_does_not_grow_with_embeddings_times_clusters() -> None:
    """Four thousand embeddings in a thousand clusters: pyannote has six arrays of 32 MB; here only the answer grows."""
    _, features = problem(4000)
    tracemalloc.start()
    responsibilities, _ = BoundedVBx(2**16)(np.arange(4000) % 1000, features, PHI, Fa=0.07, Fb=0.8, maxIters=2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < responsibilities.nbytes + 16e6

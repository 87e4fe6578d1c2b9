"""Windows held against the reference's, each by itself. What counts as wrong is tried in test_check.py on real ones."""

from dataclasses import replace

import numpy as np
from scipy.spatial.distance import cosine

from tasks.engine.inference.window_outputs import WindowOutputs
from tasks.engine.spot_check.window_errors import embedding_distances

RNG = np.random.default_rng(0)
REFERENCE = WindowOutputs(
    np.ones((3, 10), np.float32),
    np.ones((3, 10, 1), np.uint8),
    RNG.normal(size=(3, 1, 4)).astype(np.float32),
)
CANDIDATE = replace(REFERENCE, embeddings=RNG.normal(size=(3, 1, 4)).astype(np.float32))


def test_distances_are_scipys_by_cosine() -> None:
    """Between the same speaker of the same window on both sides."""
    expected = [cosine(one[0], two[0]) for one, two in zip(REFERENCE.embeddings, CANDIDATE.embeddings, strict=True)]
    assert np.allclose(embedding_distances(REFERENCE, CANDIDATE), expected)


def test_whoever_is_not_heard_on_both_sides_has_none() -> None:
    """Silence on one side, and networks without embeddings: NaN, not zero."""
    silent = replace(CANDIDATE, decisions=CANDIDATE.decisions * np.array([1, 0, 1], np.uint8)[:, None, None])
    assert np.isnan(embedding_distances(REFERENCE, silent)).tolist() == [False, True, False]
    none = replace(CANDIDATE, embeddings=np.zeros((3, 1, 0), np.float32))
    assert np.isnan(embedding_distances(REFERENCE, none)).all()

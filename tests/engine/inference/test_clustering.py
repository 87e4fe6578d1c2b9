"""Linkage in the memory of the vectors: scipy's merges, and scipy itself where files are short."""

from typing import Any

import numpy as np
import pytest
from scipy.cluster import hierarchy
from scipy.cluster.hierarchy import fcluster, linkage

from tasks.engine.inference.clustering import BoundedLinkage


def unit(embeddings: np.ndarray) -> np.ndarray:
    """As pyannote normalises them, in float32."""
    return embeddings / np.linalg.norm(embeddings, axis=-1, keepdims=True)


def long_file(stages: dict[str, Any], count: int) -> np.ndarray:
    """(count, dimension): real embeddings and what lies between neighbours, with noise, so that none repeats."""
    real = stages["embeddings"][stages["segmentation"].data.any(axis=1)]
    generator = np.random.default_rng(0)
    at, share = generator.integers(0, len(real) - 1, count), generator.random((count, 1))
    noise = 0.3 * real.std() * generator.standard_normal((count, real.shape[1]))
    return unit((share * real[at] + (1 - share) * real[at + 1] + noise).astype(np.float32))


@pytest.mark.slow
@pytest.mark.parametrize("count", [0, 3000])
def test_linkage_from_vectors_equals_scipys(stages: dict[str, Any], count: int) -> None:
    """The same merges in the same order, so the same clusters at every threshold; on the clips and on a long file."""
    embeddings = long_file(stages, count or len(stages["embeddings"]))
    bounded = BoundedLinkage(largest=1)
    ours, theirs = bounded(embeddings, method="centroid"), linkage(embeddings, method="centroid")

    assert bounded.library == "fastcluster"
    np.testing.assert_array_equal(ours[:, [0, 1, 3]], theirs[:, [0, 1, 3]])
    np.testing.assert_allclose(ours[:, 2], theirs[:, 2], rtol=0, atol=1e-12)
    for threshold in np.arange(0.1, 1.4, 0.1):
        assert np.array_equal(fcluster(ours, threshold, "distance"), fcluster(theirs, threshold, "distance"))


@pytest.mark.parametrize("method", ["centroid", "average"])
def test_short_files_and_other_methods_take_scipy(method: str) -> None:
    """Below the limit nothing changes, and above it nothing but centroid linkage; which library it was is told."""
    embeddings = unit(np.random.default_rng(0).standard_normal((50, 8)))
    bounded = BoundedLinkage(largest=50 if method == "centroid" else 1)

    assert bounded.library is None
    assert np.array_equal(bounded(embeddings, method=method), linkage(embeddings, method=method))
    assert bounded.library == "scipy"


def test_the_same_vectors_are_linked_once_for_who_recalls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked again, the answer is at hand and whole; another request, or a run of its own, links anew."""
    linked: list[str] = []

    def counted(vectors: np.ndarray, *, method: str, metric: str) -> np.ndarray:
        linked.append(f"{method} {metric}")
        return linkage(vectors, method=method, metric=metric)

    monkeypatch.setattr(hierarchy, "linkage", counted)
    monkeypatch.setattr(BoundedLinkage, "_latest", None)
    embeddings = unit(np.random.default_rng(0).standard_normal((50, 8)))
    first = BoundedLinkage()(embeddings, method="centroid")
    expected = first.copy()
    first[:] = 0
    again = BoundedLinkage()
    again.recalls = True

    assert np.array_equal(again(embeddings.copy(), method="centroid"), expected)
    assert again.library == "scipy"
    assert linked == ["centroid euclidean"]
    again(embeddings, method="average")
    again(embeddings[::-1], method="average")
    again(embeddings[::-1], method="average", metric="cosine")
    again(embeddings.reshape(100, 4), method="average", metric="cosine")
    assert len(linked) == 5
    BoundedLinkage()(embeddings.reshape(100, 4), method="average", metric="cosine")
    assert len(linked) == 6

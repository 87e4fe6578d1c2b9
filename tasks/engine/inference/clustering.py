"""Linkage of embeddings for agglomerative clustering, in bounded memory."""

from threading import local
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import linkage as scipy_linkage

LARGEST = 8192
"""Embeddings whose pairs of distances scipy may hold, twice 256 MiB: beyond two hours of talk."""


_last = local()


def linkage(embeddings: NDArray[Any], method: str, metric: str = "euclidean") -> NDArray[np.float64]:
    """`scipy.cluster.hierarchy.linkage`; centroid linkage of more than `LARGEST` embeddings from the vectors alone.

    scipy holds the distances of all pairs twice: 3.5 GB for four hours of dense talk. fastcluster (Müllner 2013,
    doi:10.18637/jss.v053.i09) makes the same merges in memory for the vectors; of distances that are equal but for
    rounding, as between repeated embeddings, it may take another first.

    Args:
        embeddings: (n, dimension).
        method: of linkage.
        metric: of distances.
    """
    _last.linkage = "scipy"
    if method != "centroid" or metric != "euclidean" or len(embeddings) <= LARGEST:
        return np.asarray(scipy_linkage(embeddings, method=method, metric=metric))
    import fastcluster  # noqa: PLC0415  # few files are that long

    _last.linkage = "fastcluster"
    return np.asarray(fastcluster.linkage_vector(np.asarray(embeddings, dtype=np.float64), method="centroid"))


def linked_by() -> str | None:
    """The library that linked embeddings in this thread since the last call; None where nothing was linked."""
    name: str | None = _last.__dict__.pop("linkage", None)
    return name

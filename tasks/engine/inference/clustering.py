"""Linkage of embeddings for agglomerative clustering, in bounded memory."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.cluster import hierarchy

LARGEST = 8192
"""Embeddings whose pairs of distances scipy may hold, twice 256 MiB: beyond two hours of talk."""


class BoundedLinkage:
    """`scipy.cluster.hierarchy.linkage`; centroid linkage of many embeddings from the vectors alone.

    scipy holds the distances of all pairs twice: 3.5 GB for four hours of dense talk. fastcluster (Müllner 2013,
    doi:10.18637/jss.v053.i09) makes the same merges in memory for the vectors; of distances that are equal but for
    rounding, as between repeated embeddings, it may take another first.

    Attributes:
        largest: embeddings up to which scipy links them.
        library: the library that linked last; None until one has. Whoever starts a run sets it back.
    """

    def __init__(self, largest: int = LARGEST) -> None:
        self.largest = largest
        self.library: str | None = None

    def __call__(self, embeddings: NDArray[Any], method: str, metric: str = "euclidean") -> NDArray[np.float64]:
        """Link (n, dimension) embeddings.

        Args:
            embeddings: two or more, finite.
            method: of linkage, as scipy names it.
            metric: of distances, likewise.

        Returns:
            (n - 1, 4): scipy's linkage matrix.

        Raises:
            ValueError: an embedding is not finite, or there are too few.
        """
        if method != "centroid" or metric != "euclidean" or len(embeddings) <= self.largest:
            self.library = "scipy"
            return np.asarray(hierarchy.linkage(embeddings, method=method, metric=metric))
        import fastcluster  # noqa: PLC0415  # few files are that long

        self.library = "fastcluster"
        return np.asarray(fastcluster.linkage_vector(np.asarray(embeddings, dtype=np.float64), method="centroid"))

"""Linkage of embeddings for agglomerative clustering, in bounded memory."""

import hashlib
from typing import Any, ClassVar

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

    The latest linkage of the process is remembered for a check by sample, which clusters anew what the candidate beside
    it has clustered: linking four hours takes half a minute. Equal vectors have equal linkages.

    Attributes:
        largest: embeddings up to which scipy links them.
        library: the library that linked last; None until one has. Whoever starts a run sets it back.
        recalls: take the remembered linkage where it is of the same vectors? Whoever starts a run sets it back.
    """

    _latest: ClassVar[tuple[tuple[object, ...], NDArray[np.float64]] | None] = None

    def __init__(self, largest: int = LARGEST) -> None:
        self.largest = largest
        self.library: str | None = None
        self.recalls = False

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
        short = method != "centroid" or metric != "euclidean" or len(embeddings) <= self.largest
        self.library = "scipy" if short else "fastcluster"
        digest = hashlib.blake2b(embeddings.tobytes()).digest()
        asked = (digest, embeddings.shape, embeddings.dtype, method, metric, self.library)
        latest = BoundedLinkage._latest
        if not self.recalls or latest is None or latest[0] != asked:
            linked = linked_by_scipy if short else linked_by_fastcluster
            BoundedLinkage._latest = latest = asked, linked(embeddings, method, metric)
        return latest[1].copy()


def linked_by_scipy(embeddings: NDArray[Any], method: str, metric: str) -> NDArray[np.float64]:
    """Link as `BoundedLinkage`, with the distances of all pairs at hand."""
    return np.asarray(hierarchy.linkage(embeddings, method=method, metric=metric))


def linked_by_fastcluster(embeddings: NDArray[Any], method: str, _metric: str) -> NDArray[np.float64]:
    """Link as `BoundedLinkage`, from the vectors alone."""
    import fastcluster  # noqa: PLC0415  # few files are that long

    return np.asarray(fastcluster.linkage_vector(np.asarray(embeddings, dtype=np.float64), method=method))

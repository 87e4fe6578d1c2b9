"""What pyannote's last steps take in memory, bounded: four hours of audio must not need gigabytes."""

from collections.abc import Iterator
from threading import local
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyannote.audio.pipelines import clustering
from pyannote.core import Segment, SlidingWindowFeature
from scipy.cluster.hierarchy import linkage as scipy_linkage

LARGEST = 8192
"""Embeddings whose pairs of distances scipy may hold, twice 256 MiB: beyond two hours of talk."""

_last = local()


class ClusteredWindows:
    """(windows, frames, clusters) activity, made window by window as pyannote aggregates it.

    pyannote's `reconstruct` holds all of it in float64: 3.4 GB for four hours and fifty clusters. Its aggregation wants
    no more than a shape, the sliding window and an iterator, and is left as it is.
    """

    def __init__(self, segmentations: SlidingWindowFeature, hard_clusters: NDArray[np.int8]) -> None:
        self.segmentations, self.hard_clusters = segmentations, hard_clusters
        self.sliding_window = segmentations.sliding_window
        shape = (*segmentations.data.shape[:2], int(hard_clusters.max()) + 1)
        self.data = np.broadcast_to(np.float64(np.nan), shape)

    def __iter__(self) -> Iterator[tuple[Segment, NDArray[np.float64]]]:
        """Each window with its (frames, clusters): the most active of a cluster's speakers, NaN where it has none."""
        for assigned, (window, active) in zip(self.hard_clusters, self.segmentations, strict=True):
            clustered = np.full(self.data.shape[1:], np.nan)
            for cluster in set(assigned[assigned >= 0].tolist()):
                clustered[:, cluster] = active[:, assigned == cluster].max(axis=1)
            yield window, clustered


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


clustering.linkage = linkage
"""pyannote looks the function up in its module."""

"""How far windows of the candidate lie from the reference's, each by itself."""

import numpy as np
from numpy.typing import NDArray

from tasks.engine.gate.tolerance import Tolerance
from tasks.engine.inference.recomputation import Replay, nearest_clusters
from tasks.engine.inference.window_outputs import WindowOutputs
from tasks.engine.spot_check.outliers import Lines

DECISIONS = 0.05
"""Of a window's frames: where in more of them not the same speakers are active, the window is wrong."""


def embedding_distances(reference: WindowOutputs, candidate: WindowOutputs) -> NDArray[np.float64]:
    """Return each window's largest cosine distance between both sides' embeddings of a speaker, (windows,).

    Speakers whom either side hears too little of by themselves are left out, as in clustering; NaN where none is left.
    """
    heard = reference.heard & candidate.heard
    if not reference.embeddings.shape[2] or not candidate.embeddings.shape[2]:
        return np.full(len(heard), np.nan)
    one, two = (side.embeddings.astype(np.float64) for side in (reference, candidate))
    norms = np.linalg.norm(one, axis=2) * np.linalg.norm(two, axis=2)
    apart = 1 - (one * two).sum(axis=2) / np.maximum(norms, np.finfo(np.float64).tiny)
    return np.where(heard.any(axis=1), np.where(heard, apart, -np.inf).max(axis=1), np.nan)


def windows_beyond(
    reference: WindowOutputs, candidate: WindowOutputs, again: Replay, tolerance: Tolerance
) -> NDArray[np.bool_]:
    """Tell which windows are beyond the limits: by the 99th percentile of their scores, or by whom they heard.

    Returns:
        (windows,).
    """
    apart = np.percentile(np.abs(reference.speech - candidate.speech), 99, axis=1, method="inverted_cdf")
    heard = reference.heard & candidate.heard
    clusters = nearest_clusters(candidate, again.centroids)
    other = (nearest_clusters(reference, again.centroids, clusters) != clusters) & heard
    return np.asarray((apart > tolerance.p99_score_difference) | other.any(axis=1))


def windows_wrong(
    reference: WindowOutputs, candidate: WindowOutputs, again: Replay, tolerance: Tolerance, lines: Lines
) -> NDArray[np.bool_]:
    """Tell which windows are wrong each by itself: beyond the limits, in their decisions or in an embedding.

    Returns:
        (windows,).
    """
    decided = (reference.decisions != candidate.decisions).any(axis=2).mean(axis=1) > DECISIONS
    voices = np.nan_to_num(embedding_distances(reference, candidate)) > lines.embedding
    return np.asarray(windows_beyond(reference, candidate, again, tolerance) | decided | voices)

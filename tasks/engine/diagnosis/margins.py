"""The margin of every hard decision of a run, from what its stages gave: plain functions on arrays.

The rules are those of pyannote.audio 4.0.7; each function names the place.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pyannote.audio.pipelines.clustering import VBxClustering
from pyannote.audio.utils.vbx import cluster_vbx
from pyannote.core import SlidingWindow, SlidingWindowFeature
from scipy.cluster.hierarchy import fcluster, linkage

from tasks.engine.core.stages import Stage, Value
from tasks.engine.diagnosis.decisions import Decisions
from tasks.engine.gate.measurements import TIE
from tasks.engine.inference.windows import aggregate

if TYPE_CHECKING:
    from tasks.engine.inference.exact import ExactSpeakerDiarization

CLEAN_SHARE = 0.2
"""Of a window's frames: whoever speaks alone for less is not clustered (`BaseClustering.filter_embeddings`)."""

VBX_ITERATIONS = 20
VBX_WEIGHT = 1e-7
"""Weight from which VBx keeps a speaker (`VBxClustering.__call__`, both)."""

Array = NDArray[np.float64]


def decisions_of(pipeline: "ExactSpeakerDiarization", outputs: Mapping[Stage, Value]) -> dict[str, Decisions]:
    """Every kind of decision that a run came to, in the order of computation.

    Args:
        pipeline: what ran; gives the thresholds and the grids of windows and frames.
        outputs: every stage's output, as `StageHooks` kept them.
    """
    return dict(each_kind(pipeline, outputs))


def each_kind(pipeline: "ExactSpeakerDiarization", outputs: Mapping[Stage, Value]) -> Iterator[tuple[str, Decisions]]:
    """(kind, decisions)."""
    model = pipeline.segmentation_network
    powerset = bool(model.specifications.powerset)
    threshold = 0.5 if powerset else float(pipeline.segmentation.threshold)
    scores = outputs[Stage.SCORES].astype(np.float64)
    yield "class of a frame", argmax(scores) if powerset else activity(scores, threshold)
    active = (outputs[Stage.DECISIONS] > threshold).astype(np.float64)
    yield "number of speakers", speaker_count(active, pipeline.windows, model.receptive_field)
    if Stage.EMBEDDINGS not in outputs:
        return
    kept = clean_frames(active)
    yield "embedding worth clustering", kept
    embeddings = outputs[Stage.EMBEDDINGS][kept.chosen].astype(np.float64)
    cut = getattr(pipeline.clustering, "threshold", None)
    if not isinstance(cut, float) or len(embeddings) < 2:  # noqa: PLR2004  # pyannote clusters no fewer
        return
    if isinstance(pipeline.clustering, VBxClustering):
        yield "speakers that VBx keeps", vbx_speakers(embeddings, pipeline.clustering)
    else:
        method = str(getattr(pipeline.clustering, "method", "centroid"))
        yield "cut between clusters", cluster_cut(embeddings, cut, method)


def argmax(log_probabilities: Array) -> Decisions:
    """Choose the class of each frame: (windows, frames, classes) to (windows, frames) (`Powerset.to_multilabel`).

    The margin is half the distance of the two best probabilities: how far each is from the point where they meet.
    """
    best = np.sort(np.exp(log_probabilities), axis=-1)[..., -2:]
    return Decisions(log_probabilities.argmax(-1), (best[..., 1] - best[..., 0]) / 2, "probability", TIE)


def activity(probabilities: Array, threshold: float) -> Decisions:
    """Choose who is active, (windows, frames, speakers) (`binarize`, onset and offset the same)."""
    return Decisions(probabilities > threshold, np.abs(probabilities - threshold), "probability", TIE)


def speaker_count(active: Array, windows: SlidingWindow, frames: SlidingWindow) -> Decisions:
    """(windows, frames, speakers) to how many speak, (frames,) (`SpeakerDiarizationMixin.speaker_count`).

    The count is a mean over the windows, rounded: the margin is how many windows would have to say one more or less.
    """
    speakers = active.sum(axis=-1, keepdims=True)
    mean = aggregate(SlidingWindowFeature(speakers, windows), frames).astype(np.float64)
    votes = aggregate(SlidingWindowFeature(np.ones_like(speakers), windows), frames, total=True).astype(np.float64)
    away = np.abs(mean - np.floor(mean) - 0.5)
    return Decisions(np.rint(mean).astype(np.int64), away * votes, "windows", 1.0)


def clean_frames(active: Array) -> Decisions:
    """Choose whose embedding is clustered: (windows, frames, speakers) to (windows, speakers) bool.

    The margin is in frames that the speaker has alone.
    """
    alone = active.sum(axis=-1, keepdims=True) == 1
    clean = (active * alone).sum(axis=1)
    limit = CLEAN_SHARE * active.shape[1]
    return Decisions(clean >= limit, np.abs(clean - limit), "frames", 1.0)


def cluster_cut(embeddings: Array, threshold: float, method: str) -> Decisions:
    """Cut the tree: (embeddings, dimension) to the number of clusters, (1,) (`AgglomerativeClustering.cluster`).

    The margin is the distance of the nearest merge from the threshold.
    """
    tree = merges(embeddings, method)
    clusters = len(np.unique(fcluster(tree, threshold, criterion="distance")))
    return Decisions(np.array([clusters]), np.array([np.abs(tree[:, 2] - threshold).min()]), "distance", TIE)


def merges(embeddings: Array, method: str) -> Array:
    """Link (embeddings, dimension) of unit length: scipy's linkage matrix."""
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    metric = "euclidean" if method in {"centroid", "median", "ward"} else "cosine"
    return np.asarray(linkage(unit, method=method, metric=metric))


def vbx_speakers(embeddings: Array, clustering: VBxClustering) -> Decisions:
    """Keep speakers: (embeddings, dimension) to their number, (1,) (`VBxClustering.__call__`).

    The tree's cut only says where VBx begins: clusters whose weight its iterations wear down are dropped. The margin is
    the way of the nearest weight to the one that is kept, in decades.
    """
    cut = fcluster(merges(embeddings, "centroid"), clustering.threshold, criterion="distance")
    _, first = np.unique(cut, return_inverse=True)
    _, weights = cluster_vbx(
        first, clustering.plda(embeddings), clustering.plda.phi, clustering.Fa, clustering.Fb, maxIters=VBX_ITERATIONS
    )
    away = np.abs(np.log10(np.maximum(weights, np.finfo(float).tiny)) - np.log10(VBX_WEIGHT))
    return Decisions(np.array([np.count_nonzero(weights > VBX_WEIGHT)]), np.array([away.min()]), "decades", TIE)

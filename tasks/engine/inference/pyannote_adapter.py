"""pyannote.audio 4.0.7 as this project uses it: the only module that reads names that pyannote keeps to itself.

Nothing here changes pyannote for anyone else in the process: what behaves otherwise is a subclass of pyannote's own.
"""

import builtins
from collections.abc import Callable
from functools import cached_property
from types import FunctionType, SimpleNamespace
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from pyannote.audio import Inference
from pyannote.audio.core.plda import PLDA
from pyannote.audio.models.embedding.wespeaker import BaseWeSpeakerResNet
from pyannote.audio.models.segmentation import PyanNet
from pyannote.audio.pipelines import SpeakerDiarization
from pyannote.audio.pipelines.clustering import AgglomerativeClustering, BaseClustering, VBxClustering
from pyannote.core import SlidingWindow, SlidingWindowFeature
from scipy.optimize import linear_sum_assignment

from tasks.engine.inference.clustering import BoundedLinkage
from tasks.engine.inference.vbx import BoundedVBx
from tasks.engine.inference.windows import window_starts
from tasks.engine.models.frame_encoder import FrameEncoder


def with_global(function: Callable[..., Any], **values: Any) -> Callable[..., Any]:  # noqa: ANN401  # any value
    """A copy of a function that sees other values under some global names; its module keeps its own.

    pyannote calls `linkage` in the middle of methods of a hundred lines. A copy of their text would have to follow
    pyannote's by hand; this one follows by itself.

    Raises:
        KeyError: neither the function's module nor Python has such a name, so it would never be looked up.
    """
    names = function.__globals__
    if missing := values.keys() - names.keys() - vars(builtins).keys():
        raise KeyError(f"{function.__module__} has no global {min(missing)!r}")
    copy = FunctionType(
        function.__code__, {**names, **values}, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


def unsaid(*_: object, **__: object) -> None:
    """Say nothing, in the place of `print` or `warn`."""


def one_cluster(embeddings: NDArray[Any]) -> tuple[NDArray[np.int8], NDArray[np.float64], NDArray[np.float64]]:
    """Put all speakers of all windows into one cluster, as pyannote does where nobody speaks alone for long enough.

    pyannote then averages no embedding at all, of which numpy warns.

    Returns:
        (windows, speakers) zeros, (windows, speakers, 1) ones, and a centroid that is not a number.
    """
    windows, speakers, dimension = embeddings.shape
    nowhere = np.full((1, dimension), np.nan)
    return np.zeros((windows, speakers), dtype=np.int8), np.ones((windows, speakers, 1)), nowhere


class AdaptedSpeakerDiarization(SpeakerDiarization):  # type: ignore[misc]  # pyannote ships no types
    """`pyannote.audio.pipelines.SpeakerDiarization` that links embeddings in bounded memory, its parts in the open.

    Attributes:
        clustering: pyannote's, which links with `linkage`.
        linkage: links embeddings where the clustering is agglomerative or starts from it; tells which library did.
    """

    clustering: BaseClustering
    # It warns where it finds fewer speakers than were asked for: a run says that in its own words.
    apply = with_global(SpeakerDiarization.apply, warnings=SimpleNamespace(warn=unsaid))

    def __init__(self, **options: Any) -> None:  # noqa: ANN401  # pyannote's own, from code or a config file
        super().__init__(**options)
        self.linkage = BoundedLinkage()
        # pyannote takes a clustering by name, from a closed Enum: ours replaces it before parameters are set.
        self.clustering = with_linkage(self.clustering, self.linkage)

    @property
    def segmenter(self) -> Inference:
        """Slides the segmentation network over a file."""
        return self._segmentation

    @property
    def windows(self) -> SlidingWindow:
        """The grid of the segmentation network's windows, in seconds."""
        return SlidingWindow(start=0.0, duration=self._segmentation.duration, step=self._segmentation.step)

    @property
    def window_length(self) -> int:
        """Samples of a window."""
        return int(self._segmentation.model.audio.get_num_samples(self._segmentation.duration))

    def starts_of(self, file: dict[str, Any]) -> list[int]:
        """List the first sample of every window of a file, as pyannote slides them."""
        step = round(self._segmentation.step * self._segmentation.model.audio.sample_rate)
        return window_starts(file["waveform"].shape[1], self.window_length, step)

    @property
    def segmentation_network(self) -> Any:  # noqa: ANN401  # a pyannote model of any architecture
        """Map (batch, 1, samples) to (batch, frames, classes)."""
        return self._segmentation.model

    @property
    def must_be_told_speakers(self) -> bool:
        """Does the clustering work for a known number of speakers alone, as k-means does?"""
        return bool(self._expects_num_speakers)

    @property
    def has_sincnet(self) -> bool:
        """Is the segmentation network a PyanNet, whose front end is a SincNet?"""
        return isinstance(self._segmentation.model, PyanNet)

    @property
    def embedder(self) -> Any:  # noqa: ANN401  # one of pyannote's wrappers
        """The embedding network with what pyannote says of it: `dimension`, `sample_rate`, `min_num_samples`."""
        return self._embedding

    @property
    def embedding_network(self) -> Any:  # noqa: ANN401  # a pyannote model of any architecture
        """Map (batch, 1, samples), and weights if any, to (batch, dimension).

        Raises:
            AttributeError: the network is none of pyannote's, but of speechbrain, NeMo or ONNX.
        """
        return self._embedding.model_

    @property
    def shares_passes(self) -> bool:
        """Can the embedding network run once per window? It must give frames that are then pooled, as WeSpeaker's."""
        return isinstance(getattr(self._embedding, "model_", None), BaseWeSpeakerResNet)

    @cached_property
    def frame_encoder(self) -> FrameEncoder:
        """The embedding network up to its frames."""
        return FrameEncoder(self._embedding.model_)


class NoPLDA(PLDA):  # type: ignore[misc]  # pyannote ships no types
    """Stands where pyannote demands a PLDA of every pipeline, though only VBx clustering looks at it."""

    def __init__(self) -> None:
        """Load nothing."""

    def __call__(self, *_: object) -> NoReturn:
        """Refuse.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("this model set has no PLDA: expected a clustering other than VBxClustering")

    phi = property(__call__)


class UnboundedAssignment(BaseClustering):  # type: ignore[misc]
    """Clustering whose constrained assignment numbers any number of clusters.

    pyannote's numbers are int8: a recording of more than 128 voices would end in an OverflowError.
    """

    def constrained_argmax(self, soft_clusters: NDArray[Any]) -> NDArray[np.int64]:
        """Map (windows, speakers, clusters) scores to (windows, speakers): no cluster twice a window, -2 for none."""
        hard = np.full(soft_clusters.shape[:2], -2)
        scores = np.nan_to_num(soft_clusters, nan=np.nanmin(soft_clusters))
        for numbers, of_window in zip(hard, scores, strict=True):
            speakers, clusters = linear_sum_assignment(of_window, maximize=True)
            numbers[speakers] = clusters
        return hard


class BoundedAgglomerativeClustering(UnboundedAssignment, AgglomerativeClustering):  # type: ignore[misc]
    """`AgglomerativeClustering` that links as it is told to, and prints nothing."""

    def __init__(self, linkage: BoundedLinkage, **options: Any) -> None:  # noqa: ANN401  # pyannote's own
        super().__init__(**options)
        self._cluster = with_global(AgglomerativeClustering.cluster, linkage=linkage, print=unsaid)

    def __call__(
        self,
        embeddings: NDArray[Any],
        segmentations: SlidingWindowFeature,
        **limits: Any,  # noqa: ANN401  # pyannote's signature
    ) -> Any:  # noqa: ANN401
        """Map (windows, speakers, dimension) to hard clusters, soft clusters and centroids."""
        if not len(self.filter_embeddings(embeddings, segmentations=segmentations)[0]):
            return one_cluster(embeddings)
        return super().__call__(embeddings, segmentations, **limits)

    def cluster(self, *arguments: Any, **limits: Any) -> Any:  # noqa: ANN401  # pyannote's signature
        """Map (embeddings, dimension) to the (embeddings,) numbers of their clusters."""
        return self._cluster(self, *arguments, **limits)


class BoundedVBxClustering(UnboundedAssignment, VBxClustering):  # type: ignore[misc]
    """`VBxClustering` that starts from clusters which are linked as it is told to, and refines them in bounded memory.

    It makes no more clusters than there are embeddings, as `AgglomerativeClustering` does: k-means would fail.
    """

    def __init__(self, linkage: BoundedLinkage, plda: PLDA, **options: Any) -> None:  # noqa: ANN401  # pyannote's own
        super().__init__(plda, **options)
        self._call = with_global(VBxClustering.__call__, linkage=linkage, cluster_vbx=BoundedVBx())

    def __call__(
        self,
        embeddings: NDArray[Any],
        segmentations: SlidingWindowFeature,
        **limits: Any,  # noqa: ANN401  # pyannote's signature
    ) -> Any:  # noqa: ANN401
        """Map (windows, speakers, dimension) to hard clusters, soft clusters and centroids."""
        most = len(self.filter_embeddings(embeddings, segmentations=segmentations)[0])
        if not most:
            return one_cluster(embeddings)
        capped = {name: limit and min(limit, most) for name, limit in limits.items() if name.endswith("_clusters")}
        return self._call(self, embeddings, segmentations, **{**limits, **capped})


def with_linkage(clustering: BaseClustering, linkage: BoundedLinkage) -> BaseClustering:
    """The same clustering, not yet instantiated, that links with `linkage`; one that links nothing as it is."""
    options = {"metric": clustering.metric, "constrained_assignment": clustering.constrained_assignment}
    if type(clustering) is AgglomerativeClustering:
        return BoundedAgglomerativeClustering(linkage, **options)
    if type(clustering) is VBxClustering:
        return BoundedVBxClustering(linkage, clustering.plda, **options)
    return clustering

"""pyannote adapted by subclassing: the same answers, its parts in the open, and nothing changed for anyone else."""

import ast
from typing import Any

import numpy as np
import pytest
from paths import ROOT
from pyannote.audio.pipelines import clustering
from scipy.cluster import hierarchy

from tasks.engine.inference import loading, pyannote_adapter
from tasks.engine.inference.clustering import BoundedLinkage
from tasks.engine.inference.pyannote_adapter import NoPLDA, with_global, with_linkage

PARAMETERS = {"method": "centroid", "min_cluster_size": 2, "threshold": 0.7}
LIMITS = {"min_clusters": 1, "max_clusters": 20}


def embeddings() -> np.ndarray:
    """(60, 16): three speakers."""
    generator = np.random.default_rng(0)
    return np.repeat(generator.standard_normal((3, 16)), 20, axis=0) + 0.2 * generator.standard_normal((60, 16))


@pytest.mark.parametrize("largest", [1, 8192])
@pytest.mark.parametrize("number", [None, 2])
def test_clusters_are_pyannotes_whoever_links(largest: int, number: int | None) -> None:
    """The subclass clusters as its parent does, with scipy and with fastcluster, and tells which."""
    stock = clustering.AgglomerativeClustering(metric="cosine").instantiate(PARAMETERS)
    linkage = BoundedLinkage(largest)
    ours = with_linkage(clustering.AgglomerativeClustering(metric="cosine"), linkage).instantiate(PARAMETERS)
    expected = stock.cluster(embeddings(), num_clusters=number, **LIMITS)

    assert np.array_equal(ours.cluster(embeddings(), num_clusters=number, **LIMITS), expected)
    assert len(set(expected.tolist())) == (number or 3)
    assert linkage.library == ("fastcluster" if largest == 1 else "scipy")


@pytest.mark.parametrize("clusters", [2, 128, 300])
def test_any_number_of_clusters_is_assigned(clusters: int) -> None:
    """The assignment is pyannote's, which overflows from the 129th cluster on."""
    scores = np.random.default_rng(0).standard_normal((40, 3, clusters))
    scores[3, 1] = np.nan
    stock = clustering.AgglomerativeClustering(metric="cosine", constrained_assignment=True)
    ours = with_linkage(stock, BoundedLinkage()).constrained_argmax(scores)

    assert ours.max() > clusters - 20
    assert np.all((ours >= 0).sum(axis=1) == min(3, clusters))
    if clusters <= 128:
        assert np.array_equal(ours, stock.constrained_argmax(scores))
    else:
        with pytest.raises(OverflowError):
            stock.constrained_argmax(scores)


def test_vbx_starts_from_the_same_clusters() -> None:
    """VBx clustering links first: up to its PLDA, which this test does not have, the subclass goes the same way."""
    linkage = BoundedLinkage(largest=1)
    ours = with_linkage(clustering.VBxClustering(NoPLDA(), metric="cosine"), linkage)
    ours.instantiate({"threshold": 0.6, "Fa": 0.07, "Fb": 0.8})
    segmentations = clustering.SlidingWindowFeature(
        np.ones((60, 10, 1)), clustering.SlidingWindow(start=0, duration=10, step=1)
    )

    with pytest.raises(NotImplementedError, match="no PLDA"):
        ours(embeddings()[:, None], segmentations=segmentations, min_clusters=1, max_clusters=9)
    assert linkage.library == "fastcluster"
    assert ours.constrained_assignment


def test_other_clusterings_are_left_alone() -> None:
    """What links nothing needs no subclass."""
    plain = clustering.KMeansClustering(metric="cosine")

    assert with_linkage(plain, BoundedLinkage()) is plain


def test_pyannotes_module_keeps_its_own_linkage() -> None:
    """Nothing is patched: stock pipelines in this process link as they always did."""
    assert clustering.linkage is hierarchy.linkage


def test_a_name_that_is_not_looked_up_is_refused() -> None:
    """Should pyannote rename `linkage`, that is an error here, and not a file of hours that runs out of memory."""
    with pytest.raises(KeyError, match="lonkage"):
        with_global(clustering.AgglomerativeClustering.cluster, lonkage=None)


def test_no_plda_is_refused_where_one_is_wanted() -> None:
    """A stand-in that is asked for an answer says what it is."""
    for use in (lambda: NoPLDA()(np.ones(3)), lambda: NoPLDA().phi):
        with pytest.raises(NotImplementedError, match="no PLDA"):
            use()


@pytest.mark.slow
def test_a_pipeline_shows_its_parts() -> None:
    """Networks, grids and clustering under names of our own."""
    pipeline: Any = loading.load("offline")

    assert isinstance(pipeline.clustering, pyannote_adapter.BoundedAgglomerativeClustering)
    assert pipeline.clustering.threshold == loading.OFFLINE_PARAMETERS["clustering"]["threshold"]
    assert (pipeline.windows.duration, pipeline.windows.step, pipeline.window_length) == (10.0, 1.0, 160_000)
    assert pipeline.has_sincnet
    assert pipeline.shares_passes
    assert pipeline.embedder.dimension == 192


PRIVATE = ("_segmentation", "_embedding", "_plda", "_audio", "model_", "klustering")


def test_only_the_adapter_reads_pyannotes_private_names() -> None:
    """One module to look at when pyannote changes."""
    readers = {
        path.name
        for folder in ("flows", "tasks", "profiles")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in PRIVATE
    }

    assert readers == {"pyannote_adapter.py"}


def windows_of(count: int, speakers: int = 1, spoken: float = 1.0) -> Any:
    """(count, 10, speakers) windows in which the first speaker speaks alone for that share of the time."""
    data = np.zeros((count, 10, speakers))
    data[:, : round(10 * spoken), 0] = 1
    return clustering.SlidingWindowFeature(data, clustering.SlidingWindow(start=0, duration=10, step=1))


class SomePLDA(NoPLDA):
    """A PLDA that leaves embeddings as they are."""

    phi = property(lambda _: np.ones(16))

    def __call__(self, embeddings: Any) -> Any:
        """Return the embeddings."""
        return embeddings


def both(linkage: BoundedLinkage) -> list[Any]:
    """Our two clusterings."""
    vbx = with_linkage(clustering.VBxClustering(SomePLDA(), metric="cosine"), linkage)
    agglomerative = with_linkage(clustering.AgglomerativeClustering(metric="cosine"), linkage)
    return [vbx.instantiate({"threshold": 0.6, "Fa": 0.07, "Fb": 0.8}), agglomerative.instantiate(PARAMETERS)]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("which", [0, 1])
def test_a_recording_in_which_nobody_speaks_alone_clusters_without_a_warning(which: int) -> None:
    """Under a fifth of a window: pyannote averages no embedding at all, of which numpy warns. The answer is its own."""
    ours = both(BoundedLinkage())[which]
    hard, soft, centroids = ours(
        embeddings()[:4, None], segmentations=windows_of(4, spoken=0.1), min_clusters=1, max_clusters=np.inf
    )

    assert hard.tolist() == [[0]] * 4
    assert (soft.shape, np.isnan(centroids).all()) == ((4, 1, 1), True)


@pytest.mark.parametrize("which", [0, 1])
def test_more_clusters_than_embeddings_are_as_many_as_there_can_be(
    which: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """k-means fails there in stock VBx, and stock agglomerative clustering prints: neither happens here."""
    ours = both(BoundedLinkage())[which]
    some = embeddings()[::20][:, None]
    hard, *_ = ours(some, segmentations=windows_of(3), num_clusters=6, min_clusters=6, max_clusters=6)

    assert 1 <= len(np.unique(hard)) <= 3
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize(
    "limits", [{"min_clusters": 1, "max_clusters": 2}, {"min_clusters": 5, "max_clusters": np.inf}]
)
def test_bounds_are_obeyed_as_pyannote_obeys_them(which: int, limits: dict[str, float]) -> None:
    """The same clusters as stock, however many are allowed."""
    stock = [
        clustering.VBxClustering(SomePLDA(), metric="cosine").instantiate({"threshold": 0.6, "Fa": 0.07, "Fb": 0.8}),
        clustering.AgglomerativeClustering(metric="cosine").instantiate(PARAMETERS),
    ][which]
    found, expected = (
        side(embeddings()[:, None].copy(), segmentations=windows_of(60), num_clusters=None, **limits)[0]
        for side in (both(BoundedLinkage())[which], stock)
    )

    assert np.array_equal(found, expected)
    assert limits["min_clusters"] <= len(np.unique(found)) <= limits["max_clusters"]

"""pyannote's last steps in bounded memory: the same results, bit for bit, as pyannote's and scipy's own."""

import tracemalloc
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from pyannote.audio.pipelines import SpeakerDiarization, clustering
from pyannote.core import SlidingWindow, SlidingWindowFeature
from scipy.cluster.hierarchy import fcluster
from scipy.cluster.hierarchy import linkage as scipy_linkage
from speech import available_clips

from tasks.engine.inference import clustering as ours_clustering
from tasks.engine.inference import loading, reconstruction
from tasks.engine.inference.level import gain

pytestmark = pytest.mark.slow

FRAMES = SlidingWindow(start=0.0, duration=0.0619375, step=0.016875)
"""Of segmentation-3.0."""


def count_of(segmentations: SlidingWindowFeature) -> SlidingWindowFeature:
    """Speakers per frame."""
    return SpeakerDiarization.speaker_count(segmentations, FRAMES, warm_up=(0.0, 0.0))


def reconstructed_by_both(
    segmentations: np.ndarray, hard_clusters: np.ndarray
) -> tuple[SlidingWindowFeature, SlidingWindowFeature]:
    """Ours and pyannote's own."""
    pipeline = loading.load("offline")
    windows = SlidingWindowFeature(segmentations, SlidingWindow(start=0.0, duration=10.0, step=1.0))
    count = count_of(windows)
    pipeline._added = np.zeros(len(count.data), dtype=bool)
    stock = SimpleNamespace(to_diarization=SpeakerDiarization.to_diarization)
    return (
        pipeline.reconstruct(windows, hard_clusters, count),
        SpeakerDiarization.reconstruct(stock, windows, hard_clusters, count),
    )


@pytest.fixture(scope="module")
def stages() -> dict[str, Any]:
    """What the networks say of every clip at hand, joined: windows' decisions and embeddings."""
    pipeline = loading.load("offline")
    samples = np.concatenate(list(available_clips().values()))
    kept: dict[str, Any] = {}
    pipeline.gain, pipeline.workers = gain(samples), 2
    file = {"waveform": torch.from_numpy(samples)[None], "sample_rate": 16000, "uri": "test"}
    pipeline(
        file, hook=lambda name, found, completed=None, **_: kept.update({name: found} if completed is None else {})
    )
    return kept


@pytest.mark.parametrize("clusters", [1, 2, 7])
def test_reconstruction_equals_pyannotes_on_real_windows(stages: dict[str, Any], clusters: int) -> None:
    """Window by window or all at once: the same bits, speakers who share a cluster and idle ones included."""
    segmentations = stages["segmentation"].data.copy()
    hard_clusters = np.random.default_rng(clusters).integers(0, clusters, (len(segmentations), 3)).astype(np.int8)
    hard_clusters[segmentations.sum(axis=1) == 0] = -2
    ours, theirs = reconstructed_by_both(segmentations, hard_clusters)

    np.testing.assert_array_equal(ours.data, theirs.data)
    assert ours.data.dtype == theirs.data.dtype
    assert vars(ours.sliding_window) == vars(theirs.sliding_window)
    assert ours.data.any()


def test_reconstruction_equals_pyannotes_on_soft_scores() -> None:
    """Multi-label models hand over probabilities, whose sums depend on their order."""
    generator = np.random.default_rng(0)
    segmentations = generator.random((40, 589, 3), dtype=np.float32)
    ours, theirs = reconstructed_by_both(segmentations, generator.integers(0, 4, (40, 3)).astype(np.int8))

    np.testing.assert_array_equal(ours.data, theirs.data)


@pytest.mark.parametrize("speakers", [1, 3])
def test_more_speakers_counted_than_there_are_clusters(speakers: int) -> None:
    """Where counting finds more speakers than clustering, pyannote makes some up: so do we, and name them alike."""
    segmentations = np.ones((12, 589, 3), dtype=np.float32)
    segmentations[4:] = 0
    hard_clusters = np.tile(np.array([0, speakers - 1, -2], dtype=np.int8), (12, 1))
    ours, theirs = reconstructed_by_both(segmentations, hard_clusters)

    assert ours.data.shape[1] == 3
    np.testing.assert_array_equal(ours.data, theirs.data)


@pytest.mark.parametrize("durations", [{}, {"min_duration_on": 0.3}, {"min_duration_off": 0.2}])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
def test_turns_equal_pyannotes(durations: dict[str, float], share: float) -> None:
    """The same segments, tracks and labels to the last bit, whoever speaks first, last, always or never."""
    changes = np.random.default_rng(3).random((2000, 8)) < share
    active = (np.cumsum(changes, axis=0) % 2).astype(np.float64)
    active[:, 4:] = 0
    active[:, 5], active[0, 6], active[-1, 7] = 1, 1, 1
    discrete = SlidingWindowFeature(active, FRAMES)
    ours, theirs = (
        reconstruction.to_annotation(discrete, **durations),
        SpeakerDiarization.to_annotation(discrete, **durations),
    )

    said = list(ours.itertracks(yield_label=True))
    assert said == list(theirs.itertracks(yield_label=True))
    # As plain numbers: numpy's are equal to them, and written otherwise.
    assert {type(second) for segment, _, _ in said for second in segment} == {float}


def test_reconstruction_needs_memory_for_frames_and_not_for_windows() -> None:
    """Half an hour with forty clusters: pyannote's arrays would take 340 MB, twice."""
    windows = SlidingWindow(start=0.0, duration=10.0, step=1.0)
    segmentations = SlidingWindowFeature(np.ones((1800, 589, 3), dtype=np.float32), windows)
    hard_clusters = np.tile(np.array([0, 20, 39], dtype=np.int8), (1800, 1))
    count = count_of(segmentations)
    tracemalloc.start()
    reconstruction.to_diarization(reconstruction.ClusteredWindows(segmentations, hard_clusters), count)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 150e6


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


@pytest.mark.parametrize("count", [0, 3000])
def test_linkage_from_vectors_equals_scipys(
    stages: dict[str, Any], count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same merges in the same order, so the same clusters at every threshold; on the clips and on a long file."""
    embeddings = long_file(stages, count or len(stages["embeddings"]))
    monkeypatch.setattr(ours_clustering, "LARGEST", 1)
    ours, theirs = ours_clustering.linkage(embeddings, method="centroid"), scipy_linkage(embeddings, method="centroid")

    assert ours_clustering.linked_by() == "fastcluster"
    np.testing.assert_array_equal(ours[:, [0, 1, 3]], theirs[:, [0, 1, 3]])
    np.testing.assert_allclose(ours[:, 2], theirs[:, 2], rtol=0, atol=1e-12)
    for threshold in np.arange(0.1, 1.4, 0.1):
        assert np.array_equal(fcluster(ours, threshold, "distance"), fcluster(theirs, threshold, "distance"))


def test_pyannote_links_with_ours_and_short_files_with_scipy(stages: dict[str, Any]) -> None:
    """The function is the one that pyannote looks up; below the limit, and for other methods, nothing changes."""
    embeddings = long_file(stages, 50)

    assert clustering.linkage is ours_clustering.linkage
    for method in ("centroid", "average"):
        assert np.array_equal(
            ours_clustering.linkage(embeddings, method=method), scipy_linkage(embeddings, method=method)
        )
    assert ours_clustering.linked_by() == "scipy"
    assert ours_clustering.linked_by() is None

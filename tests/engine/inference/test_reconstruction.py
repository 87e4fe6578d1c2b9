"""pyannote's last steps in bounded memory: the same results, bit for bit, as pyannote's and scipy's own."""

import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pyannote.audio import Inference
from pyannote.audio.core.plda import PLDA
from pyannote.audio.pipelines import SpeakerDiarization
from pyannote.audio.pipelines.clustering import VBxClustering
from pyannote.core import SlidingWindow, SlidingWindowFeature
from stand_in_models import plda as plda_files
from stand_in_models import write

from tasks.engine.inference import loading, reconstruction
from tasks.engine.inference.clustering import BoundedLinkage
from tasks.engine.inference.pyannote_adapter import with_linkage

pytestmark = pytest.mark.slow

COMMUNITY = {"threshold": 0.6, "Fa": 0.07, "Fb": 0.8}
"""Parameters of community-1's clustering, from its config."""

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


def test_windows_are_laid_on_frames_once_for_both_of_pyannotes_questions(
    stages: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many speakers as are counted, then one at a time: each as pyannote's; other clusters are laid anew."""
    pipeline, aggregate, laid = loading.load("offline"), Inference.aggregate, []
    monkeypatch.setattr(
        Inference, "aggregate", lambda *given, **options: laid.append(1) or aggregate(*given, **options)
    )
    windows = SlidingWindowFeature(stages["segmentation"].data, SlidingWindow(start=0.0, duration=10.0, step=1.0))
    first = np.random.default_rng(0).integers(0, 3, (len(windows.data), 3)).astype(np.int8)
    most = count_of(windows)
    alone = SlidingWindowFeature(np.minimum(most.data, 1), most.sliding_window)
    pipeline._added = np.zeros(len(most.data), dtype=bool)
    stock = SimpleNamespace(to_diarization=SpeakerDiarization.to_diarization)
    for clusters, count, times in ((first, most, 1), (first, alone, 0), (2 - first, alone, 1), (2 - first, most, 0)):
        laid.clear()
        ours = pipeline.reconstruct(windows, clusters, count)

        assert len(laid) == times
        np.testing.assert_array_equal(ours.data, SpeakerDiarization.reconstruct(stock, windows, clusters, count).data)


@pytest.mark.parametrize("clusters", [1, 2, 7, 16, 40])
def test_reconstruction_equals_pyannotes_on_real_windows(stages: dict[str, Any], clusters: int) -> None:
    """Window by window or all at once: the same bits, speakers who share a cluster and idle ones included."""
    segmentations = stages["segmentation"].data.copy()
    hard_clusters = np.random.default_rng(clusters).integers(0, clusters, (len(segmentations), 3)).astype(np.int8)
    hard_clusters[segmentations.sum(axis=1) == 0] = -2
    ours, theirs = reconstructed_by_both(segmentations, hard_clusters)

    np.testing.assert_array_equal(ours.data, theirs.data)
    assert vars(ours.sliding_window) == vars(theirs.sliding_window)
    assert ours.data.any()


def windows_of_talk(count: int, voices: int, dimension: int) -> tuple[np.ndarray, np.ndarray]:
    """(count, 589, 3) decisions of people who take turns and overlap, and (count, 3, dimension) embeddings of them."""
    generator = np.random.default_rng(1)
    people = generator.standard_normal((voices, dimension))
    talk = np.zeros((589 + 59 * count, voices), np.float32)
    for start in range(0, len(talk), 200):
        talk[start : start + int(generator.integers(120, 260)), generator.integers(voices)] = 1
    decisions = np.zeros((count, 589, 3), np.float32)
    embeddings = np.full((count, 3, dimension), np.nan)
    for i in range(count):
        part = talk[59 * i : 59 * i + 589]
        most = np.argsort(-part.sum(axis=0), kind="stable")[:3]
        places = generator.permutation(3)
        decisions[i][:, places] = part[:, most]
        heard = part[:, most].any(axis=0)
        said = people[most[heard]] + 0.35 * generator.standard_normal((int(heard.sum()), dimension))
        embeddings[i, places[heard]] = said
    return decisions, embeddings


def test_windows_in_the_shapes_of_community_1_give_pyannotes_speakers_and_frames(tmp_path: Path) -> None:
    """Three speakers a window, 256 numbers a voice, a PLDA to 128: VBx and reconstruction as stock, bit for bit.

    Made by drawing: outputs of the real networks may not be shipped.
    """
    decisions, embeddings = windows_of_talk(150, 6, 256)
    plda = PLDA.from_pretrained(str(write(plda_files(256, 128), tmp_path)))
    windows = SlidingWindowFeature(decisions, SlidingWindow(start=0.0, duration=10.0, step=1.0))
    stock = VBxClustering(plda, metric="cosine")
    limits: dict[str, Any] = {"num_clusters": None, "min_clusters": 1, "max_clusters": np.inf}
    expected, found = (
        side.instantiate(COMMUNITY)(embeddings.copy(), segmentations=windows, **limits)[0]
        for side in (stock, with_linkage(VBxClustering(plda, metric="cosine"), BoundedLinkage()))
    )

    assert np.array_equal(found, expected)
    assert len(np.unique(expected)) > 3
    ours, theirs = reconstructed_by_both(decisions, expected)
    np.testing.assert_array_equal(ours.data, theirs.data)
    assert (ours.data.sum(axis=1) > 1).any()


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

    named = list(ours.itertracks(yield_label=True))
    assert named == list(theirs.itertracks(yield_label=True))
    # As plain numbers: numpy's are equal to them, and written otherwise.
    assert {type(second) for segment, _, _ in named for second in segment} == {float}


@pytest.mark.parametrize("clusters", [40, 120])
def test_reconstruction_needs_a_row_of_activity_per_speaker_and_little_else(clusters: int) -> None:
    """Half an hour: pyannote's arrays would take 340 MB for forty clusters, twice, and 1 GB for 120."""
    windows = SlidingWindow(start=0.0, duration=10.0, step=1.0)
    segmentations = SlidingWindowFeature(np.ones((1800, 589, 3), dtype=np.float32), windows)
    hard_clusters = np.tile(np.array([0, 20, clusters - 1], dtype=np.int8), (1800, 1))
    count = count_of(segmentations)
    tracemalloc.start()
    reconstruction.to_diarization(reconstruction.ClusteredWindows(segmentations, hard_clusters), count)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    activity = len(count.data) * clusters * 4
    assert peak < 1.5 * activity + 60e6

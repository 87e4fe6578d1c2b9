"""Margins of hard decisions: the choices are pyannote's own, and a margin is the distance to another choice."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from pyannote.audio.core.plda import PLDA
from pyannote.audio.pipelines.clustering import VBxClustering
from pyannote.core import SlidingWindow, SlidingWindowFeature
from speech import cpu_plan, recording
from stand_in_models import DIMENSION, plda, write

from tasks.engine.core.stages import Stage
from tasks.engine.diagnosis.margins import argmax, clean_frames, cluster_cut, decisions_of, speaker_count, vbx_speakers
from tasks.engine.diagnosis.patching import hard_decisions, trace
from tasks.engine.inference.diarizer import pipeline_for
from tasks.engine.inference.types import Parameters

WINDOWS = SlidingWindow(start=0, duration=10, step=1)
FRAMES = SlidingWindow(start=0, duration=0.0619375, step=0.016875)


def test_the_margin_of_an_argmax_is_the_way_to_where_two_classes_meet() -> None:
    """Moving that much probability from the best class to the second makes a tie."""
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(7), size=(3, 50))
    made = argmax(np.log(probabilities))

    moved = probabilities.copy()
    order = probabilities.argsort(-1)
    np.put_along_axis(moved, order[..., -1:], probabilities.max(-1, keepdims=True) - made.margins[..., None], -1)
    second = np.take_along_axis(probabilities, order[..., -2:-1], -1)
    np.put_along_axis(moved, order[..., -2:-1], second + made.margins[..., None], -1)
    best = np.sort(moved, -1)

    np.testing.assert_allclose(best[..., -1], best[..., -2], atol=1e-12)
    assert np.array_equal(made.chosen, probabilities.argmax(-1))


def test_the_margin_of_a_count_is_in_windows() -> None:
    """Of ten windows, six say one speaker: 1 is chosen, and one window less makes it even."""
    active = np.zeros((10, 589, 3))
    active[:6, :, 0] = 1
    made = speaker_count(active, WINDOWS, FRAMES)
    shared = 9 * round(1 / FRAMES.step) + 5  # a frame that every window covers

    assert made.chosen[shared] == 1
    assert made.margins[shared] == pytest.approx(1, abs=1e-6)


def test_the_margin_of_the_clean_filter_is_in_frames() -> None:
    """A fifth of the window alone is enough, a frame less is not; overlapped frames do not count."""
    active = np.zeros((1, 600, 3))
    active[0, :120, 0] = 1
    active[0, 200:319, 1] = 1
    active[0, 400:500, 1:] = 1
    made = clean_frames(active)

    assert made.chosen.tolist() == [[True, False, False]]
    assert made.margins.tolist() == [[0, 1, 120]]


def test_the_margin_of_the_cut_is_the_distance_of_the_nearest_merge() -> None:
    """Two pairs of like embeddings, right angles between the pairs: they merge at about 1.41, the cut is at 0.7."""
    pairs = np.array([[1, 0.01], [1, -0.01], [0.01, 1], [-0.01, 1]])
    made = cluster_cut(pairs, 0.7, "centroid")

    assert made.chosen.tolist() == [2]
    assert made.margins[0] == pytest.approx(0.68, abs=0.01)
    assert cluster_cut(pairs, 1.5, "centroid").chosen.tolist() == [1]


@pytest.mark.parametrize(("voices", "noise"), [(1, 0.5), (2, 0.3), (3, 0.7)])
def test_the_speakers_of_vbx_are_those_that_it_keeps(tmp_path: Path, voices: int, noise: float) -> None:
    """As many as pyannote's own VBx has centroids, however many clusters it began with."""
    write(plda(), tmp_path)
    clustering = VBxClustering(PLDA(tmp_path / "xvec_transform.npz", tmp_path / "plda.npz"))
    clustering.instantiate({"threshold": 0.6, "Fa": 0.07, "Fb": 0.8})
    generator = np.random.default_rng(voices)
    people = generator.standard_normal((voices, DIMENSION))
    embeddings = np.repeat(people, 20, axis=0) + noise * generator.standard_normal((20 * voices, DIMENSION))
    alone = SlidingWindowFeature(np.ones((20 * voices, 100, 1)), WINDOWS)
    _, _, centroids = clustering(embeddings[:, None], segmentations=alone, min_clusters=1, max_clusters=99)
    made = vbx_speakers(embeddings, clustering)

    assert made.chosen.tolist() == [len(centroids)]
    assert made.unit == "decades"
    assert made.margins[0] > 0


def test_under_vbx_no_cut_is_called_a_decision(tmp_path: Path) -> None:
    """Its first clusters are where it begins: what decides is which of them it keeps."""
    write(plda(), tmp_path)
    clustering = VBxClustering(PLDA(tmp_path / "xvec_transform.npz", tmp_path / "plda.npz"))
    clustering.instantiate({"threshold": 0.6, "Fa": 0.07, "Fb": 0.8})
    network = SimpleNamespace(specifications=SimpleNamespace(powerset=True), receptive_field=FRAMES)
    pipeline: Any = SimpleNamespace(segmentation_network=network, windows=WINDOWS, clustering=clustering)
    generator = np.random.default_rng(0)
    outputs = {
        Stage.SCORES: np.log(generator.dirichlet(np.ones(4), size=(12, 50))),
        Stage.DECISIONS: np.ones((12, 50, 1)),
        Stage.EMBEDDINGS: generator.standard_normal((12, 1, DIMENSION)),
    }

    assert list(decisions_of(pipeline, outputs))[-1] == "speakers that VBx keeps"
    pipeline.clustering = SimpleNamespace(threshold=0.6, method="centroid")
    assert list(decisions_of(pipeline, outputs))[-1] == "cut between clusters"


@pytest.fixture(scope="module")
def run() -> tuple[Any, dict[Stage, Any]]:
    """The pipeline and every stage's output on the shipped recording."""
    pipeline, _ = pipeline_for("offline", "cpu", "fp32", "exact")
    return pipeline, trace(recording(), cpu_plan(), Parameters(), {})[1]


@pytest.mark.slow
def test_choices_are_those_that_pyannote_made(run: tuple[Any, dict[Stage, Any]]) -> None:
    """Classes, counts and kept embeddings, computed from stage outputs, are what pyannote itself decided."""
    pipeline, outputs = run
    made = decisions_of(pipeline, outputs)
    segmentations = SlidingWindowFeature(outputs[Stage.DECISIONS], WINDOWS)
    model = pipeline.segmentation_network
    counted = pipeline.speaker_count(segmentations, model.receptive_field, warm_up=(0.0, 0.0))
    _, windows, speakers = pipeline.clustering.filter_embeddings(outputs[Stage.EMBEDDINGS], segmentations=segmentations)
    kept = np.zeros(outputs[Stage.EMBEDDINGS].shape[:2], dtype=bool)
    kept[windows, speakers] = True
    mapped = pipeline.segmenter.conversion.mapping[torch.from_numpy(made["class of a frame"].chosen)]

    assert np.array_equal(mapped.numpy(), outputs[Stage.DECISIONS])
    assert np.array_equal(made["number of speakers"].chosen, counted.data[:, 0])
    assert np.array_equal(made["embedding worth clustering"].chosen, kept)
    assert made["cut between clusters"].chosen[0] >= 2


@pytest.mark.slow
def test_rounding_flips_near_things_and_a_defect_flips_clear_ones(run: tuple[Any, dict[Stage, Any]]) -> None:
    """Scores off by 1e-4 turn ties alone; a window given to nobody turns what was clear."""
    _, outputs = run
    noise = np.random.default_rng(1).uniform(-1e-4, 1e-4, outputs[Stage.SCORES].shape).astype(np.float32)
    rounded = {**outputs, Stage.SCORES: outputs[Stage.SCORES] + noise}
    broken = {**outputs, Stage.SCORES: outputs[Stage.SCORES].copy()}
    broken[Stage.SCORES][9, :, 0] = 1.0

    near, clear = (hard_decisions(Parameters(), outputs, changed)[0] for changed in (rounded, broken))

    assert near.defects == 0
    assert clear.defects > 400
    assert clear.clearest is not None
    assert clear.clearest > 0.1

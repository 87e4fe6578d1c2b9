"""From samples to turns and scores on the planned device, with the real models."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from speech import cpu_plan, recording, reference_annotation
from stand_in_models import checkpoint, community, embedding_network, write

from tasks.engine.core.errors import DeviceError, ModelError, UsageError
from tasks.engine.core.turns import SpeechScores, within
from tasks.engine.inference.diarizer import diarize, mean_score, pipeline_for, preload, unload_all
from tasks.engine.inference.types import Diarization, Parameters

SPEECH = recording()[7 * 16000 : 22 * 16000]
"""Fifteen seconds of it with both speakers, one over the other twice: six windows instead of 21."""


@pytest.fixture(scope="module")
def found() -> Diarization:
    """The shipped recording, diarized with the defaults."""
    return diarize(recording(), cpu_plan(), Parameters())


@pytest.mark.slow
def test_the_shipped_recording_is_diarized_well(found: Diarization) -> None:
    """DER at most 8 % with the defaults, collar 0, overlap scored."""
    from pyannote.core import Annotation, Segment, Timeline
    from pyannote.metrics.diarization import DiarizationErrorRate

    hypothesis = Annotation()
    for i, turn in enumerate(found.turns):
        hypothesis[Segment(turn.start, turn.end), i] = turn.speaker

    error = DiarizationErrorRate()(reference_annotation(), hypothesis, uem=Timeline([Segment(0, 30)]))

    assert error <= 0.08
    assert len({turn.speaker for turn in found.turns}) == 2


@pytest.mark.slow
def test_scores_are_probabilities_that_go_with_the_turns(found: Diarization) -> None:
    """Finite, 0 to 1, high inside turns and low outside."""
    values = found.scores.values
    centres = found.scores.start + found.scores.step * np.arange(len(values))
    inside = np.zeros(len(values), dtype=bool)
    for turn in found.turns:
        inside |= (turn.start <= centres) & (centres < turn.end)

    assert np.isfinite(values).all()
    assert values.min() >= 0
    assert values.max() <= 1
    assert values[inside].mean() > 0.9
    assert values[~inside & (centres < 29.9)].mean() < 0.2
    assert all(0.5 < turn.mean_score <= 1 for turn in found.turns)


def speech_frames(found: Diarization) -> np.ndarray:
    """Which model frames lie in a turn."""
    centres = found.scores.start + found.scores.step * np.arange(len(found.scores.values))
    speech = np.zeros(len(centres), dtype=bool)
    for turn in found.turns:
        speech |= (turn.start <= centres) & (centres < turn.end)
    return speech


@pytest.mark.slow
@pytest.mark.parametrize("threshold", [0.1, 0.9])
def test_the_threshold_acts_on_the_score(threshold: float) -> None:
    """Above 0.5, what scores less is not speech; below 0.5, what scores as much is."""
    found = diarize(SPEECH, cpu_plan(), Parameters(speech_threshold=threshold, min_speech_sec=0.0))
    scores, speech = found.scores.values, speech_frames(found)
    # Turns begin and end at frame centres, so the frames at their edges may fall to either side.
    edges = np.convolve(np.diff(speech.astype(int), prepend=0) != 0, np.ones(3), mode="same") > 0

    if threshold > 0.5:
        assert scores[speech & ~edges].min() >= threshold
    else:
        assert speech[(scores >= threshold) & ~edges].all()


@pytest.mark.slow
def test_short_turns_are_dropped() -> None:
    """MIN_SPEECH_DURATION_MS acts on turns and on nothing else."""
    everything = diarize(SPEECH, cpu_plan(), Parameters(min_speech_sec=0.0))
    long = diarize(SPEECH, cpu_plan(), Parameters(min_speech_sec=1.5))

    assert list(long.turns) == [turn for turn in everything.turns if turn.duration >= 1.5]
    assert len(long.turns) < len(everything.turns)


@pytest.mark.slow
def test_a_known_number_of_speakers_is_honoured() -> None:
    """num_speakers reaches the clustering."""
    found = diarize(SPEECH, cpu_plan(), Parameters(num_speakers=1))

    assert {turn.speaker for turn in found.turns} == {"SPEAKER_00"}


@pytest.mark.slow
def test_a_clustering_that_must_be_told_the_number_says_so(tmp_path: Path) -> None:
    """k-means: asked for without it, that is a sentence, and with it there are as many."""
    files = community() | {"embedding/pytorch_model.bin": checkpoint(embedding_network(pools=True))}
    config = yaml.safe_load(files["config.yaml"])
    config["pipeline"]["params"]["clustering"], config["params"]["clustering"] = "KMeansClustering", {}
    models = str(write(files | {"config.yaml": yaml.safe_dump(config).encode()}, tmp_path / "set"))

    with pytest.raises(UsageError, match=r"KMeansClustering, .* expected --num-speakers"):
        diarize(SPEECH, cpu_plan(), Parameters(models=models))
    assert diarize(SPEECH, cpu_plan(), Parameters(models=models, num_speakers=2)).turns


@pytest.mark.slow
def test_digital_silence_is_no_speech_and_no_error() -> None:
    """Zeros all along: finite scores, no turn."""
    found = diarize(np.zeros(12 * 16000, dtype=np.float32), cpu_plan(), Parameters())

    assert found.turns == ()
    assert np.isfinite(found.scores.values).all()


@pytest.mark.slow
def test_a_low_threshold_on_silence_finds_nobody_and_does_not_fail() -> None:
    """Where pyannote hears nobody in the whole file there is nobody to give speech to."""
    found = diarize(np.zeros(12 * 16000, dtype=np.float32), cpu_plan(), Parameters(speech_threshold=0.0))

    assert found.turns == ()


@pytest.fixture
def cramped() -> Iterator[list[int]]:
    """The loaded pipeline on a machine where three windows fit; gives the batch sizes that were tried."""
    pipeline, _ = pipeline_for("offline", "cpu", "fp32", "exact")
    tried: list[int] = []

    def guard(_model: object, inputs: tuple[torch.Tensor]) -> None:
        tried.append(len(inputs[0]))
        if len(inputs[0]) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")

    handle = pipeline.segmentation_network.register_forward_pre_hook(guard)
    yield tried
    handle.remove()


@pytest.mark.slow
def test_a_run_survives_memory_that_is_too_small(cramped: list[int]) -> None:
    """The same turns with batches halved on the way, and the size that was used is said."""
    plan, samples = cpu_plan(batch_size=8), recording()[: 16000 * 25]
    found = diarize(samples, plan, Parameters())
    cramped_sizes = set(cramped)
    expected = diarize(samples, cpu_plan(batch_size=2), Parameters())

    assert cramped_sizes == {8, 4, 2}
    assert [(turn.start, turn.end, turn.speaker) for turn in found.turns] == [
        (turn.start, turn.end, turn.speaker) for turn in expected.turns
    ]
    np.testing.assert_allclose(found.scores.values, expected.scores.values, atol=1e-5)


@pytest.mark.slow
def test_a_run_that_never_fits_is_a_device_failure() -> None:
    """The retry on CPU waits for this very error."""
    pipeline, _ = pipeline_for("offline", "cpu", "fp32", "exact")

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    handle = pipeline.segmentation_network.register_forward_pre_hook(full)
    try:
        with pytest.raises(DeviceError, match="out of memory"):
            diarize(recording()[:160_000], cpu_plan(), Parameters())
    finally:
        handle.remove()


@pytest.mark.parametrize(
    ("start", "end", "mean"),
    [(0.5, 2.5, 0.375), (1.0, 2.0, 0.25), (1.05, 1.06, 0.5), (-9.0, -8.0, 0.0), (90.0, 91.0, 1.0)],
)
def test_a_turns_score_is_the_mean_of_its_frames(start: float, end: float, mean: float) -> None:
    """Frames centred in [start, end); the nearest one where there is none, before the first and behind the last too."""
    scores = SpeechScores(np.array([0.0, 0.25, 0.5, 0.75, 1.0], np.float32), start=0.0, step=1.0)

    assert mean_score(scores, start, end) == pytest.approx(mean)


@pytest.mark.slow
def test_the_library_that_linked_is_told_for_this_run_alone() -> None:
    """A recording in which nobody speaks links nothing, whatever the run before it did on the same pipeline."""
    spoken = diarize(SPEECH, cpu_plan(), Parameters())
    silent = diarize(np.zeros(12 * 16000, dtype=np.float32), cpu_plan(), Parameters())

    assert (spoken.facts["linkage"], silent.facts["linkage"]) == ("scipy", None)


@pytest.mark.slow
def test_models_load_beside_what_follows_and_once() -> None:
    """`preload` returns at once; whoever asks meanwhile waits for that pipeline instead of loading another."""
    unload_all()
    plan = cpu_plan()
    preload("offline", plan)
    asked = pipeline_for("offline", plan.device, plan.precision, plan.engine)

    assert pipeline_for("offline", plan.device, plan.precision, plan.engine) is asked


def test_a_model_set_that_does_not_load_is_left_for_the_run_to_meet() -> None:
    """The thread ends without a word: the run says what is wrong, in its own place."""
    preload("no/such/model/set", cpu_plan())
    with pytest.raises(ModelError):
        pipeline_for("no/such/model/set", "cpu", "fp32", "exact")


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["exact", "shared"])
@pytest.mark.parametrize(
    ("asked", "found"),
    [({"max_speakers": 1}, 1), ({"min_speakers": 3}, 3), ({"min_speakers": 2, "max_speakers": 2}, 2)],
)
def test_bounds_on_the_speakers_are_honoured_by_both_engines(engine: str, asked: dict[str, int], found: int) -> None:
    """They reach the clustering whichever network passes are shared."""
    plan = replace(cpu_plan(), engine=engine)
    result = diarize(SPEECH, plan, Parameters(min_speech_sec=0.0, **asked))

    assert len({turn.speaker for turn in result.turns}) == found


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["exact", "shared"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_no_turn_ends_after_the_samples(engine: str, place: int) -> None:
    """The last window is filled up with silence, and the networks go on speaking in it: a turn ends with the sound."""
    spoken = sorted(reference_annotation().itersegments(), key=lambda segment: -segment.duration)[place]
    seconds = round(spoken.start + 0.6 * spoken.duration, 2)
    result = diarize(recording()[: int(seconds * 16000)], replace(cpu_plan(), engine=engine), Parameters())

    assert max(turn.end for turn in (*result.turns, *result.exclusive)) == seconds


@pytest.mark.slow
def test_one_speaker_at_a_time_covers_what_the_turns_cover(found: Diarization) -> None:
    """Nobody speaks with another, everybody within a turn of theirs, and no frame with speech is without a speaker."""
    assert all(first.end <= second.start for first, second in pairwise(found.exclusive))
    assert list(within(found.exclusive, found.turns)) == list(found.exclusive)
    alone = replace(found, turns=found.exclusive)
    assert np.mean(speech_frames(alone) != speech_frames(found)) < 0.01


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("count", [1, 160, 1600, 8000, 16000, 40000, 80000])
def test_the_shortest_sounds_are_diarized_without_a_warning(count: int) -> None:
    """From one sample to five seconds of speech: finite scores, turns within the sound, and no library complains."""
    begin = 7 * 16000
    result = diarize(recording()[begin : begin + count], cpu_plan(), Parameters(min_speech_sec=0.0))

    assert np.isfinite(result.scores.values).all()
    assert all(0 <= turn.start < turn.end <= count / 16000 for turn in result.turns)

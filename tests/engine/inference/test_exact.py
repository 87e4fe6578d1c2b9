"""The exact engine: pyannote's own turns, real scores, on real speech with the real models."""

import warnings
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from speech import available_clips, cpu_plan, recording, with_stock_front_end

from tasks.engine.core.choices import Precision
from tasks.engine.core.errors import NonFiniteError
from tasks.engine.core.stages import Stage
from tasks.engine.devices.precision import Arithmetic
from tasks.engine.diagnosis.patching import trace
from tasks.engine.inference import loading
from tasks.engine.inference.diarizer import diarize
from tasks.engine.inference.exact import ExactSpeakerDiarization
from tasks.engine.inference.types import Parameters
from tasks.engine.models import registry

pytestmark = pytest.mark.slow

AS_STOCK = Parameters(min_speech_sec=0.0)


def stock_of(exact: ExactSpeakerDiarization) -> Any:
    """Stock pyannote.audio with the very networks and parameters of one of our pipelines."""
    from pyannote.audio.pipelines import SpeakerDiarization

    stock = SpeakerDiarization(
        segmentation=with_stock_front_end(exact.segmentation_network),
        embedding=exact.embedding_network,
        embedding_exclude_overlap=exact.embedding_exclude_overlap,
        clustering=exact.klustering,
        plda=exact._plda,
        segmentation_batch_size=8,
        embedding_batch_size=8,
    )
    return stock.instantiate(exact.parameters(instantiated=True))


def run_both(exact: ExactSpeakerDiarization, samples: np.ndarray) -> tuple[Any, Any, np.ndarray, float]:
    """Turns of the exact engine and of stock, how far embeddings are apart, and the share of decisions that differ.

    (windows,) embeddings are compared where both sides heard the same: a window is left out in which one frame fell
    the other way, since its speakers' embeddings are then those of other frames.
    """
    file = {"waveform": torch.from_numpy(samples.copy())[None], "sample_rate": 16000, "uri": "test"}
    kept: dict[str, np.ndarray] = {}

    def keep(side: str) -> Any:
        def hook(name: str, artifact: Any, **_: Any) -> None:
            if name in {"segmentation", "embeddings"} and artifact is not None:
                kept[f"{side} {name}"] = np.array(getattr(artifact, "data", artifact))

        return hook

    exact.compute_as(Arithmetic(Precision.FP32, torch.device("cpu")))  # as a run does: windows share a front end
    exact.segmentation_batch_size = exact.embedding_batch_size = 5
    exact.workers = 2
    ours = exact(dict(file), hook=keep("exact")).speaker_diarization
    theirs = stock_of(exact)(dict(file), hook=keep("stock")).speaker_diarization
    fell = (kept["exact segmentation"] != kept["stock segmentation"]).any(axis=2)
    apart = np.abs(kept["exact embeddings"] - kept["stock embeddings"]).max(axis=(1, 2))[~fell.any(axis=1)]
    tracks = (list(side.itertracks(yield_label=True)) for side in (ours, theirs))
    return *tracks, apart, float(fell.mean())


@pytest.fixture(scope="module")
def offline() -> ExactSpeakerDiarization:
    """The offline model set."""
    return loading.load("offline")


def test_turns_and_embeddings_equal_stock_pyannote(offline: ExactSpeakerDiarization) -> None:
    """The same turns exactly, embeddings within 1e-5; of 12,000 decisions at most one falls the other way."""
    ours, theirs, apart, fell = run_both(offline, recording())

    assert ours == theirs
    assert len(ours) > 5
    assert len(apart) >= 20
    assert apart.max() <= 1e-5
    assert fell <= 1e-4


@pytest.mark.parametrize("seconds", [3.0, 10.0, 12.34])
def test_short_and_odd_lengths_equal_stock_too(offline: ExactSpeakerDiarization, seconds: float) -> None:
    """Less than one window, exactly one, and a last window that is padded."""
    start = 7 * 16000
    ours, theirs, *_ = run_both(offline, recording()[start : start + int(seconds * 16000)])

    assert ours == theirs


def test_every_clip_at_hand_equals_stock(offline: ExactSpeakerDiarization) -> None:
    """Overlap, noise and quiet speech: the same turns as stock on each clip."""
    clips = {name: samples for name, samples in available_clips().items() if name in {"dev00", "tst00", "trn06"}}
    if not clips:
        pytest.skip("the clips with references are not on this machine: set STEP4_CLIPS to their folder")

    for name, samples in clips.items():
        ours, theirs, *_ = run_both(offline, samples)
        assert ours == theirs, name


def test_another_run_s_threads_are_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run beside this one sets torch's threads, which new threads take over: each worker keeps to one."""
    seen: list[int] = []
    plain = ExactSpeakerDiarization._frames

    def spied(self: ExactSpeakerDiarization, batch: torch.Tensor) -> torch.Tensor:
        seen.append(torch.get_num_threads())
        return plain(self, batch)

    monkeypatch.setattr(ExactSpeakerDiarization, "_frames", spied)
    with ThreadPoolExecutor(1) as beside:
        diarize(recording(), cpu_plan(), Parameters(), lambda *_: beside.submit(torch.set_num_threads, 4).result())

    assert set(seen) == {1}
    assert len(seen) > 2


def test_a_broken_window_is_an_error_and_never_silence(offline: ExactSpeakerDiarization) -> None:
    """NaN in the networks' output names the stage, the window and the time: argmax of NaN would mean nobody speaks."""
    samples = recording()
    samples[200_000:200_010] = np.nan
    file = {"waveform": torch.from_numpy(samples)[None], "sample_rate": 16000, "uri": "test"}

    with pytest.raises(NonFiniteError, match=r"front end are not finite in window 3 \(3.0 s\)"):
        offline(file)


@pytest.mark.parametrize("stage", [Stage.FRONT_END, Stage.SCORES, Stage.EMBEDDINGS])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_handed_over_must_be_finite_too(stage: Stage, value: float) -> None:
    """A value that is no number is an error of its own stage: clustering would drop NaN embeddings in silence."""
    samples = recording()[: 12 * 16000]
    _, outputs = trace(samples, cpu_plan(), Parameters(), {})
    outputs[stage][1, 0, 0] = value

    with pytest.raises(NonFiniteError, match=rf"{stage} are not finite in window 1 \(1.0 s\)"):
        trace(samples, cpu_plan(), Parameters(), {stage: outputs[stage]})


def test_a_folder_with_a_resnet_is_served_exactly(resnet_folder: Path) -> None:
    """Pyannote's own WeSpeaker ResNet34, overlap excluded: turns equal to stock, embeddings within 1e-5."""
    exact = loading.load(str(resnet_folder))
    ours, theirs, apart, _ = run_both(exact, recording()[: 14 * 16000])

    assert exact.shares_passes
    assert ours == theirs
    assert apart.max() <= 1e-5
    assert set(registry.identity(str(resnet_folder))) == {
        "config.yaml",
        "embedding/pytorch_model.bin",
        "segmentation/pytorch_model.bin",
    }


@pytest.fixture(scope="module")
def heard(offline: ExactSpeakerDiarization) -> dict[str, Any]:
    """What the networks say of the shipped recording: windows' decisions and embeddings, by stage."""
    kept: dict[str, Any] = {}
    offline.compute_as(Arithmetic(Precision.FP32, torch.device("cpu")))
    offline.workers = 2
    offline(
        {"waveform": torch.from_numpy(recording().copy())[None], "sample_rate": 16000, "uri": "test"},
        hook=lambda name, found, completed=None, **_: kept.update({name: found} if completed is None else {}),
    )
    return kept


def decided(pipeline: Any, heard: dict[str, Any], monkeypatch: pytest.MonkeyPatch, **asked: int) -> tuple[Any, Any]:
    """Turns, and those with one speaker at a time, that a pipeline makes of what the networks said."""
    monkeypatch.setattr(pipeline, "get_segmentations", lambda *_, **__: deepcopy(heard["segmentation"]))
    monkeypatch.setattr(pipeline, "get_embeddings", lambda *_, **__: heard["embeddings"].copy())
    output = pipeline({"waveform": torch.zeros(1, 16000), "sample_rate": 16000, "uri": "test"}, **asked)
    sides = output.speaker_diarization, output.exclusive_speaker_diarization
    first, second = ([(*segment, label) for segment, _, label in side.itertracks(yield_label=True)] for side in sides)
    return first, second


@pytest.mark.filterwarnings("ignore:The detected number of speakers")
@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"num_speakers": 1},
        {"num_speakers": 3},
        {"num_speakers": 9},
        {"min_speakers": 3},
        {"max_speakers": 1},
        {"min_speakers": 3, "max_speakers": 4},
        {"min_speakers": 1, "max_speakers": 9},
    ],
)
def test_bounds_and_one_speaker_at_a_time_are_pyannotes(
    offline: ExactSpeakerDiarization, heard: dict[str, Any], monkeypatch: pytest.MonkeyPatch, asked: dict[str, int]
) -> None:
    """Of the same embeddings stock makes the same turns, exclusive ones too, whatever is asked of their speakers."""
    ours = decided(offline, heard, monkeypatch, **asked)
    theirs = decided(stock_of(offline), heard, monkeypatch, **asked)

    assert ours == theirs
    assert all(first[1] <= second[0] for first, second in pairwise(ours[1]))
    assert len({label for *_, label in ours[0]}) <= asked.get("max_speakers", asked.get("num_speakers", 9))


def test_what_pyannote_says_of_too_few_speakers_is_not_said(
    offline: ExactSpeakerDiarization,
    heard: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Stock warns and prints; ours is silent, since the run says it in its own words."""
    with pytest.warns(UserWarning, match="outside"):
        decided(stock_of(offline), heard, monkeypatch, num_speakers=40)
    assert "Found only" in capsys.readouterr().out
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        decided(offline, heard, monkeypatch, num_speakers=40)
    assert capsys.readouterr() == ("", "")

"""The exact engine: pyannote's own turns, real scores, on real speech with the real models."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pyannote.core import SlidingWindow
from speech import available_clips, cpu_plan, recording, reference_annotation, with_stock_front_end

from tasks.engine.core.choices import Precision
from tasks.engine.core.errors import ModelError, NonFiniteError
from tasks.engine.core.stages import Stage
from tasks.engine.devices.precision import Arithmetic
from tasks.engine.diagnosis.patching import traced
from tasks.engine.inference import loading
from tasks.engine.inference.diarizer import diarize
from tasks.engine.inference.exact import ExactSpeakerDiarization
from tasks.engine.inference.types import Diarization, Parameters
from tasks.engine.inference.windows import nearest_instead, require_finite, window_starts
from tasks.engine.models import registry
from tasks.engine.models.campplus_fused import FusedCampPlus

pytestmark = pytest.mark.slow

AS_STOCK = Parameters(min_speech_sec=0.0)


def stock_of(exact: ExactSpeakerDiarization) -> Any:
    """Stock pyannote.audio with the very networks and parameters of one of our pipelines."""
    from pyannote.audio.pipelines import SpeakerDiarization

    stock = SpeakerDiarization(
        segmentation=with_stock_front_end(exact._segmentation.model),
        embedding=exact._embedding.model_,
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


@pytest.fixture(scope="module")
def found() -> Diarization:
    """The shipped recording, diarized with the defaults."""
    return diarize(recording(), cpu_plan(), Parameters())


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


@pytest.mark.parametrize("seconds", [1.0, 2.345, 10.0])
def test_the_folded_network_is_the_network(offline: ExactSpeakerDiarization, seconds: float) -> None:
    """Batch norms folded, channels last, one buffer per block: the same embeddings within 1e-5."""
    model = offline._embedding.model_
    waveform = torch.from_numpy(recording()[None, None, : int(seconds * 16000)])
    with torch.inference_mode():
        fbank = model.compute_fbank(waveform.expand(2, -1, -1))
        expected, found = model.resnet.forward_frames(fbank), FusedCampPlus(model.resnet)(fbank)
        assert found.shape == expected.shape
        exact, folded = model.forward_embedding(expected), model.forward_embedding(found)

    assert (folded - exact).abs().max() < 1e-5


def test_the_folded_network_in_bf16_is_near_it_and_leaves_it_alone(offline: ExactSpeakerDiarization) -> None:
    """BF16 carries 8 bits: embeddings within 0.001 in cosine distance; the network that it is made from stays."""
    model = offline._embedding.model_
    with torch.inference_mode():
        fbank = model.compute_fbank(torch.from_numpy(recording()[None, None, :160000]))
        expected = model.resnet.forward_frames(fbank)
        found = FusedCampPlus(model.resnet, torch.bfloat16)(fbank)
        rough, exact = (model.forward_embedding(frames.float()) for frames in (found, expected))

    assert found.dtype is torch.bfloat16
    assert 0 < 1 - float(torch.cosine_similarity(rough, exact)) < 1e-3
    assert {one.dtype for one in model.resnet.parameters()} == {torch.float32}


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


@pytest.mark.parametrize("threshold", [0.1, 0.9])
def test_the_threshold_acts_on_the_score(threshold: float) -> None:
    """Above 0.5, what scores less is not speech; below 0.5, what scores as much is."""
    found = diarize(recording(), cpu_plan(), Parameters(speech_threshold=threshold, min_speech_sec=0.0))
    scores, speech = found.scores.values, speech_frames(found)
    # Turns begin and end at frame centres, so the frames at their edges may fall to either side.
    edges = np.convolve(np.diff(speech.astype(int), prepend=0) != 0, np.ones(3), mode="same") > 0

    if threshold > 0.5:
        assert scores[speech & ~edges].min() >= threshold
    else:
        assert speech[(scores >= threshold) & ~edges].all()


def test_short_turns_are_dropped() -> None:
    """MIN_SPEECH_DURATION_MS acts on turns and on nothing else."""
    everything = diarize(recording(), cpu_plan(), AS_STOCK)
    long = diarize(recording(), cpu_plan(), Parameters(min_speech_sec=1.5))

    assert list(long.turns) == [turn for turn in everything.turns if turn.duration >= 1.5]
    assert len(long.turns) < len(everything.turns)


def test_a_known_number_of_speakers_is_honoured() -> None:
    """num_speakers reaches the clustering."""
    found = diarize(recording(), cpu_plan(), Parameters(num_speakers=1))

    assert {turn.speaker for turn in found.turns} == {"SPEAKER_00"}


def test_digital_silence_is_no_speech_and_no_error() -> None:
    """Zeros all along: finite scores, no turn."""
    found = diarize(np.zeros(12 * 16000, dtype=np.float32), cpu_plan(), Parameters())

    assert found.turns == ()
    assert np.isfinite(found.scores.values).all()


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
    _, outputs = traced(samples, cpu_plan(), Parameters(), {})
    outputs[stage][1, 0, 0] = value

    with pytest.raises(NonFiniteError, match=rf"{stage} are not finite in window 1 \(1.0 s\)"):
        traced(samples, cpu_plan(), Parameters(), {stage: outputs[stage]})


def test_a_broken_window_behind_a_pause_is_named_by_its_place_in_the_file() -> None:
    """Idle windows are skipped: a batch's rows are not neighbours, and counting from its first would name another."""
    numbers, windows = [4, 10, 11], SlidingWindow(duration=10.0, step=1.0)
    rows = torch.tensor([[0.0], [np.nan], [0.0], [np.nan]])

    with pytest.raises(NonFiniteError, match=r"in window 10 \(10.0 s\)"):
        require_finite(rows, Stage.EMBEDDINGS, numbers, windows)
    require_finite(rows[[0, 2, 0, 1]], Stage.EMBEDDINGS, numbers, windows)  # the fourth row is padding


@pytest.mark.parametrize(
    ("samples", "expected"), [(1, [0]), (100, [0]), (110, [0, 10]), (111, [0, 10, 20]), (95, [0]), (120, [0, 10, 20])]
)
def test_windows_slide_as_in_pyannote(samples: int, expected: list[int]) -> None:
    """Whole windows, then one padded rest if anything is left; lengths of 100 in steps of 10."""
    assert window_starts(samples, 100, 10) == expected


def test_added_frames_go_to_the_nearest_speaker() -> None:
    """A frame that a low threshold adds is given to whoever speaks nearest in time."""
    active = np.array([[1, 0], [1, 0], [1, 0], [1, 0], [0, 1], [1, 0]])
    replaced = np.array([True, False, True, True, False, True])

    assert nearest_instead(active, replaced).tolist() == [[1, 0], [1, 0], [1, 0], [0, 1], [0, 1], [0, 1]]


def test_a_low_threshold_on_silence_finds_nobody_and_does_not_fail() -> None:
    """Where pyannote hears nobody in the whole file there is nobody to give speech to."""
    found = diarize(np.zeros(12 * 16000, dtype=np.float32), cpu_plan(), Parameters(speech_threshold=0.0))

    assert found.turns == ()


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


def test_a_folder_with_another_pipeline_is_refused(resnet_folder: Path) -> None:
    """A config of anything but speaker diarization names what would be accepted."""
    config = resnet_folder / "config.yaml"
    config.write_text(config.read_text().replace("SpeakerDiarization", "VoiceActivityDetection"))

    with pytest.raises(ModelError, match=r"expected pyannote\.audio\.pipelines\.SpeakerDiarization"):
        loading.load(str(resnet_folder))


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.write_text, (self.path, "ran"))


def test_a_checkpoint_that_runs_code_is_refused(resnet_folder: Path, tmp_path: Path) -> None:
    """Checkpoints are data only: a pickled payload never executes."""
    torch.save({"state_dict": {}, "evil": Payload(tmp_path / "ran")}, resnet_folder / "embedding" / "pytorch_model.bin")

    with pytest.raises(ModelError):
        loading.load(str(resnet_folder))

    assert not (tmp_path / "ran").exists()

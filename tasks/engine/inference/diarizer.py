"""From samples to turns and speech scores, on the planned device: all inference goes through `diarize`."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import lru_cache
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.engine.core.constants import SAMPLE_RATE
from tasks.engine.core.errors import UsageError
from tasks.engine.core.exception_map import device_failures
from tasks.engine.core.stages import Stage
from tasks.engine.core.turns import SpeechScores, Turn, end_at, within
from tasks.engine.devices.plan import DevicePlan, autocast_in_force
from tasks.engine.inference import loading
from tasks.engine.inference.batching import SEGMENTED_ON_CPU
from tasks.engine.inference.hooks import StageHooks
from tasks.engine.inference.level import gain
from tasks.engine.inference.types import Diarization, Parameters, Progress
from tasks.engine.models import registry
from tasks.engine.system.memory import keep_freed_memory, release_pages, trim_heap
from tasks.engine.system.profiler import LOADING, mark_stage

if TYPE_CHECKING:
    from pyannote.core import Annotation

    from tasks.engine.inference.exact import ExactSpeakerDiarization

LOADING_MODELS = "loading models"
"""What progress is told before any window is computed: seconds, or minutes from a slow disk."""

LONG_SEC = 600
"""Of audio: beyond that each stage gives its working memory back, which costs the next one a tenth of a second."""


def diarize(
    samples: NDArray[np.float32],
    plan: DevicePlan,
    parameters: Parameters,
    progress: Progress = lambda *_: None,
    hooks: StageHooks | None = None,
    *,
    keep_windows: bool = False,
) -> Diarization:
    """Run the model set on the planned device.

    Args:
        samples: (samples,) mono, 16 kHz.
        plan: device, precision, engine, batch size, level rule.
        parameters: model set and decisions.
        progress: told when models are loaded, and about segmentation and embeddings as they advance.
        hooks: see every stage's output, and may replace it.
        keep_windows: let the result hold what the networks gave for every window: 7 kB each, one a second.

    Raises:
        DeviceError: the device failed (memory, driver, kernel).
        ModelError: the models are missing, altered or do not load.
        UsageError: the set's clustering must be told the number of speakers.
        NonFiniteError: a stage produced NaN or Inf.
    """
    from tasks.engine.devices.precision import backend_flags  # noqa: PLC0415

    started = time.perf_counter()
    progress(LOADING_MODELS, 0, 1)
    with device_failures(), pipeline_on(plan, parameters) as pipeline:
        progress(LOADING_MODELS, 1, 1)
        mark_stage(LOADING)
        pipeline.gain = gain(samples) if plan.level == "rms" else 1.0
        pipeline.hooks, pipeline.keeps_windows = hooks, keep_windows
        level_gain = pipeline.gain
        if hooks:
            samples = hooks.whole(Stage.SAMPLES, samples * np.float32(pipeline.gain))
            pipeline.gain = 1.0
        turns, exclusive, scores, _ = apply(pipeline, samples, parameters, progress)
        facts = {
            "device": plan.device,
            "device_name": plan.device_name,
            "precision": plan.precision,
            "autocast_dtype": autocast_in_force(plan),
            "batch_size": pipeline.batch.size if pipeline.batch.reduced else plan.batch_size,
            "threads": plan.threads,
            "level_gain": level_gain,
            "arithmetic": backend_flags(),
            "linkage": pipeline.linkage.library,
            "engine": pipeline.engine if pipeline.shares_passes else "stock",
            "segmentation_step": plan.segmentation_step,
            "seconds": round(time.perf_counter() - started, 3),
        }
        windows, pipeline.kept = pipeline.kept, None
    return Diarization(turns, scores, facts, exclusive, windows)


@contextmanager
def pipeline_on(plan: DevicePlan, parameters: Parameters) -> Iterator["ExactSpeakerDiarization"]:
    """Hold the loaded pipeline, prepared for a plan; nobody else has it meanwhile."""
    import torch  # noqa: PLC0415  # heavy: three seconds

    from tasks.engine.core.choices import Precision  # noqa: PLC0415
    from tasks.engine.devices.precision import AUTOCAST_DTYPES, Arithmetic, enforce_fp32  # noqa: PLC0415

    enforce_fp32()
    keep_freed_memory()
    # On the CPU, threads take windows of their own; each needs no helpers inside torch.
    torch.set_num_threads(1 if plan.on_cpu else plan.threads)
    pipeline, lock = pipeline_for(parameters.models, plan.device, plan.precision, plan.engine)
    if pipeline.must_be_told_speakers and not parameters.num_speakers:
        kind = type(pipeline.clustering).__name__
        raise UsageError(
            f"model set {parameters.models!r} clusters by {kind}, which must be told how many speakers there are: "
            "expected --num-speakers"
        )
    with lock:
        pipeline.compute_as(
            Arithmetic(Precision(plan.precision), torch.device(plan.device), AUTOCAST_DTYPES[plan.autocast_dtype])
        )
        pipeline.embedding_batch_size = plan.batch_size
        pipeline.segmentation_batch_size = plan.batch_size * (SEGMENTED_ON_CPU if plan.on_cpu else 1)
        pipeline.workers = plan.threads if plan.on_cpu else 1
        pipeline.adapts = not plan.on_cpu
        pipeline.speech_threshold = parameters.speech_threshold
        pipeline.linkage.library, pipeline.linkage.recalls = None, False
        pipeline.chosen = pipeline.given = pipeline.hooks = pipeline.kept = None
        pipeline.keeps_windows = False
        step = plan.segmentation_step or pipeline.segmentation_step
        pipeline.segmenter.step = step * pipeline.segmenter.duration
        try:
            yield pipeline
        finally:
            # It is kept for the next run, and these are of hours of audio.
            pipeline.given = pipeline.kept = pipeline.clustered = None


_LOADING = Lock()


def pipeline_for(models_name: str, device: str, precision: str, engine: str) -> tuple["ExactSpeakerDiarization", Lock]:
    """Load a pipeline per device, precision and engine, with the lock that its one user at a time holds.

    Whoever asks for one that is being loaded waits for it. One whose files have changed since is loaded anew.
    """
    with _LOADING:
        return _pipeline_for(registry.find(models_name).stamp(), models_name, device, precision, engine)


@lru_cache(maxsize=4)
def _pipeline_for(
    stamp: object, models_name: str, device: str, precision: str, engine: str
) -> tuple["ExactSpeakerDiarization", Lock]:
    # Part of the cache key: a pipeline is moved and its layers wrapped for one of each.
    del stamp, device, precision
    return loading.load(models_name, engine), Lock()


def unload_all() -> None:
    """Let go of every loaded pipeline."""
    _pipeline_for.cache_clear()


def preload(models_name: str, plan: DevicePlan) -> None:
    """Start to load what `diarize` needs for a plan, in a thread of its own; an error is left for `diarize` to meet."""

    def load() -> None:
        with suppress(Exception):
            pipeline_for(models_name, plan.device, plan.precision, plan.engine)

    Thread(target=load, name="preload").start()


def apply(
    pipeline: "ExactSpeakerDiarization", samples: NDArray[np.float32], parameters: Parameters, progress: Progress
) -> tuple[tuple[Turn, ...], tuple[Turn, ...], SpeechScores, NDArray[np.float64]]:
    """Run a prepared pipeline and read off turns, those with one speaker at a time, scores and centroids.

    The last window is filled up with silence, in which the networks may go on speaking: turns end with the samples. The
    (speakers, dimension) centroids are those of whoever speaks.
    """
    import torch  # noqa: PLC0415

    def hook(stage: str, _artifact: object, completed: int | None = None, total: int | None = None, **_: Any) -> None:  # noqa: ANN401
        if completed is not None and total:
            release_pages(samples)
            progress(stage, completed, total)
        elif completed is None:
            mark_stage(stage)
            if len(samples) > LONG_SEC * SAMPLE_RATE:
                trim_heap()

    file = {"waveform": torch.from_numpy(samples)[None], "sample_rate": SAMPLE_RATE, "uri": "audio"}
    output = pipeline(
        file,
        hook=hook,
        num_speakers=parameters.num_speakers,
        min_speakers=parameters.min_speakers,
        max_speakers=parameters.max_speakers,
    )
    scores, end = pipeline.speech_scores, len(samples) / SAMPLE_RATE

    turns = [
        turn for turn in turns_of(output.speaker_diarization, scores, end) if turn.duration >= parameters.min_speech_sec
    ]
    exclusive = within(turns_of(output.exclusive_speaker_diarization, scores, end), turns)
    return tuple(turns), tuple(exclusive), scores, output.speaker_embeddings


def turns_of(annotation: "Annotation", scores: SpeechScores, end: float) -> list[Turn]:
    """Read off turns up to `end` seconds, in order of time."""
    tracks = annotation.itertracks(yield_label=True)
    heard = end_at((Turn(part.start, part.end, str(speaker)) for part, _, speaker in tracks), end)
    return sorted(replace(turn, mean_score=mean_score(scores, turn.start, turn.end)) for turn in heard)


def mean_score(scores: SpeechScores, start: float, end: float) -> float:
    """Average the model frames centred in [start, end); take the nearest where the turn is shorter than a frame."""
    first, stop = (int(np.ceil((second - scores.start) / scores.step)) for second in (start, end))
    first = min(max(first, 0), len(scores.values) - 1)
    return float(scores.values[first : max(stop, first + 1)].mean())

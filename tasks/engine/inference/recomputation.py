"""Windows on their own: some of them through the networks again, and all that follows from what the networks gave.

For a reference by sample (`tasks.engine.spot_check`): what a device computes are the windows' outputs; everything
behind them is arithmetic on the CPU and is repeated here without a network.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from pyannote.core import Segment, SlidingWindow, SlidingWindowFeature
from scipy.spatial.distance import cdist

from tasks.engine.core.constants import SAMPLE_RATE
from tasks.engine.core.exception_map import device_failures
from tasks.engine.core.turns import SpeechScores
from tasks.engine.devices.plan import DevicePlan
from tasks.engine.inference.diarizer import apply, pipeline_on, turns_of
from tasks.engine.inference.level import gain
from tasks.engine.inference.reconstruction import ClusteredWindows, to_annotation, to_diarization
from tasks.engine.inference.types import Diarization, Parameters, Progress
from tasks.engine.inference.window_outputs import Choice, Recomputed, WindowOutputs
from tasks.engine.inference.windows import STOCK_THRESHOLD, aggregate, nearest_instead, overrule

IDLE = -2
"""pyannote's number of the cluster of a speaker who says nothing in a window."""

TIE = 0.05
"""Of cosine distance: centroids that are so nearly as close are the same for both sides. Mixed precision moves one by
0.01: docs/lab_notes/sampled_reference.md."""


class ChosenWindows:
    """Some windows of a file, as pyannote's aggregation takes all of them: a shape, the sliding window, an iterator.

    Attributes:
        values: (chosen, frames, classes) float.
        numbers: (chosen,) places in the file.
        sliding_window: the grid of all windows.
        data: (windows, frames, classes), of which pyannote reads the shape alone.
    """

    def __init__(
        self, values: NDArray[np.float32], numbers: NDArray[np.int64], windows: int, grid: SlidingWindow
    ) -> None:
        self.values, self.numbers, self.sliding_window = values, numbers, grid
        self.data = np.broadcast_to(np.float32(np.nan), (windows, *values.shape[1:]))

    def __iter__(self) -> Iterator[tuple[Segment, NDArray[np.float32]]]:
        """Yield each chosen window with its own (frames, classes)."""
        for number, values in zip(self.numbers, self.values, strict=True):
            yield self.sliding_window[int(number)], values.copy()


@dataclass(frozen=True, slots=True)
class Layout:
    """Where windows lie.

    Attributes:
        windows: grid of the windows, in seconds.
        frames: grid of the network's frames, in seconds.
        count: windows of the file.
    """

    windows: SlidingWindow
    frames: SlidingWindow
    count: int


@dataclass(frozen=True, slots=True)
class Replay:
    """What follows from window outputs.

    Attributes:
        diarization: turns and scores.
        centroids: (speakers, dimension), of embeddings.
        layout: where the windows lie.
    """

    diarization: Diarization
    centroids: NDArray[np.float64]
    layout: Layout


def recompute(
    samples: NDArray[np.float32],
    plan: DevicePlan,
    parameters: Parameters,
    choose: Choice,
    progress: Progress = lambda *_: None,
) -> Recomputed | None:
    """Run both networks on some windows of a file.

    Args:
        samples: (samples,) mono, 16 kHz, of the whole file: its level decides the gain.
        plan: what to compute with.
        parameters: model set and decisions.
        choose: which windows.
        progress: told about segmentation and embeddings as they advance.

    Returns:
        None where the model set's decisions are not hard ones window by window (no powerset), or its embedding network
        is none that runs window by window: only the whole file can be compared then.

    Raises:
        DeviceError: the device failed.
        ModelError: the models are missing, altered or do not load.
        NonFiniteError: a stage produced NaN or Inf.
    """

    def hook(stage: str, _artifact: object, completed: int, total: int) -> None:
        progress(stage, completed, total)

    started = time.perf_counter()
    file = {"waveform": torch.from_numpy(samples)[None], "sample_rate": SAMPLE_RATE}
    with device_failures(), pipeline_on(plan, parameters) as pipeline:
        if not (pipeline.shares_passes and pipeline.segmenter.model.specifications.powerset):
            return None
        windows = len(pipeline.starts_of(file))
        numbers = choose(windows, round(pipeline.windows.duration / pipeline.windows.step))
        pipeline.gain = gain(samples) if plan.level == "rms" else 1.0
        pipeline.chosen, pipeline.keeps_windows = numbers, True
        decisions = pipeline.get_segmentations(file, hook=hook)
        pipeline.get_embeddings(file, decisions, pipeline.embedding_exclude_overlap, hook=hook)
        kept, pipeline.kept = cast(WindowOutputs, pipeline.kept), None
    return Recomputed(numbers, kept, windows, time.perf_counter() - started)


def replay(outputs: WindowOutputs, samples: NDArray[np.float32], plan: DevicePlan, parameters: Parameters) -> Replay:
    """Count, cluster and reconstruct anew from what the networks gave for every window; no network runs.

    Embeddings that were linked last in this process are not linked again.

    Args:
        outputs: of every window of the file.
        samples: (samples,) of the file, of which only the length counts.
        plan: whose pipeline to use.
        parameters: model set and decisions.
    """
    with pipeline_on(plan, parameters) as pipeline:
        pipeline.given, pipeline.linkage.recalls = outputs, True
        turns, exclusive, scores, centroids = apply(pipeline, samples, parameters, lambda *_: None)
        layout = Layout(pipeline.windows, pipeline.segmenter.model.receptive_field, len(outputs))
    return Replay(Diarization(turns, scores, exclusive=exclusive), centroids, layout)


def nearest_clusters(
    outputs: WindowOutputs, centroids: NDArray[np.float64], other: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Give every speaker of every window the nearest centroid by cosine.

    Args:
        outputs: of some windows.
        centroids: (clusters, dimension).
        other: (windows, speakers), the clusters of another side's outputs for the same windows: kept where they are
            within `TIE` of the nearest.

    Returns:
        (windows, speakers), `IDLE` where silent.
    """
    windows, speakers, dimension = outputs.embeddings.shape
    clusters = np.zeros((windows, speakers), np.int64)
    if dimension and len(centroids):
        flat = cdist(outputs.embeddings.reshape(-1, dimension), centroids, metric="cosine")
        apart = np.nan_to_num(flat, nan=2.0).reshape(windows, speakers, -1)
        clusters = apart.argmin(axis=2)
        if other is not None:
            there = np.take_along_axis(apart, np.maximum(other, 0)[..., None], axis=2)[..., 0]
            clusters = np.where((other >= 0) & (there - apart.min(axis=2) <= TIE), other, clusters)
    return np.where(outputs.talking, clusters, IDLE)


def lay_out(
    outputs: WindowOutputs,
    numbers: NDArray[np.int64],
    clusters: NDArray[np.int64],
    layout: Layout,
    parameters: Parameters,
) -> Diarization:
    """Lay some windows of a file on its time as the engine lays all of them, with clusters that are given.

    Args:
        outputs: of the chosen windows.
        numbers: (chosen,) places in the file; seconds that none of them sees are silent.
        clusters: (chosen, speakers).
        layout: where the file's windows lie.
        parameters: decisions.
    """
    windows, frames, count = layout.windows, layout.frames, layout.count

    def some(values: NDArray[np.float32]) -> ChosenWindows:
        return ChosenWindows(values, numbers, count, windows)

    scores = SpeechScores(
        aggregate(some(outputs.speech[..., None]), frames).astype(np.float32), frames.duration / 2, frames.step
    )
    active = outputs.decisions.astype(np.float32)
    voices = np.rint(aggregate(some(active.sum(axis=2, keepdims=True)), frames))[:, None].astype(np.uint8)
    # As the engine has it: where nobody is found at all there is nobody to give more speech to.
    threshold = parameters.speech_threshold
    added = overrule(voices, scores.values, threshold if active.any() else max(threshold, STOCK_THRESHOLD))
    if not voices.any():
        return Diarization((), scores)
    grid = SlidingWindow(start=windows.start, duration=frames.duration, step=frames.step)
    discrete = to_diarization(ClusteredWindows(some(active), clusters), SlidingWindowFeature(voices, grid))
    if added.any():
        discrete.data = nearest_instead(discrete.data, added[: len(discrete.data)])
    end = scores.start + len(scores.values) * scores.step
    turns = turns_of(to_annotation(discrete), scores, end)
    return Diarization(tuple(turn for turn in turns if turn.duration >= parameters.min_speech_sec), scores)

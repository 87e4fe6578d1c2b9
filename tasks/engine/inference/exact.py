"""The exact engine: pyannote's speaker diarization, same turns, in a fraction of the time.

Stock pyannote runs the embedding network once per (window, speaker), idle speakers included, and decodes each window
anew. Here the network runs once per window that has speech, the speakers' masks are pooled together, windows are
slices of one array, and CPU cores work on different windows instead of sharing one. What decides (powerset argmax,
speaker count, clustering, aggregation) is pyannote's own code, or equal to it bit for bit (`reconstruction`): so are
the turns.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from operator import sub
from threading import local
from time import perf_counter
from typing import Any, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from pyannote.core import SlidingWindow, SlidingWindowFeature
from torch import Tensor

from tasks.engine.core.choices import Engine, Precision
from tasks.engine.core.stages import Stage
from tasks.engine.core.turns import SpeechScores
from tasks.engine.devices.precision import Arithmetic
from tasks.engine.inference import reconstruction
from tasks.engine.inference.batching import BatchSize, even_bounds
from tasks.engine.inference.hooks import StageHooks
from tasks.engine.inference.pyannote_adapter import AdaptedSpeakerDiarization
from tasks.engine.inference.windows import (
    STOCK_THRESHOLD,
    cut_windows,
    nearest_instead,
    overlap_add,
    overrule,
    pad_to,
    pooling_masks,
    require_finite,
    speech_probability,
)
from tasks.engine.models.sincnet import fix_filters, share_front_end

Result = TypeVar("Result")
Masks = Callable[[NDArray[Any]], NDArray[np.float32]]
"""From places of windows to their (windows, speakers, frames) weights for pooling."""


class ExactSpeakerDiarization(AdaptedSpeakerDiarization):
    """`pyannote.audio.pipelines.SpeakerDiarization` with shared network passes, speech scores and one arithmetic.

    Attributes:
        engine: which of ours this is.
        arithmetic: device and precision; set per run, as are the next five.
        workers: threads, each with windows of its own.
        adapts: may speed change the batch size?
        gain: of the samples.
        speech_threshold: 0 to 1, on the score.
        hooks: see every stage's output and may replace it; windows then pass one batch after the other.
        speech_scores: after a run, the speech probability of every frame.
        batch: after a run, the batch size that it ended with.
    """

    engine = Engine.EXACT
    to_annotation = staticmethod(reconstruction.to_annotation)
    arithmetic = Arithmetic(Precision.FP32, torch.device("cpu"))
    workers: int = 1
    adapts: bool = False
    gain: float = 1.0
    speech_threshold: float = STOCK_THRESHOLD
    speech_scores: SpeechScores
    hooks: StageHooks | None = None
    batch: BatchSize

    def __init__(self, **options: Any) -> None:  # noqa: ANN401  # pyannote's own, from code or a config file
        super().__init__(**options)
        self._at = local()  # which windows each thread has in segmentation
        if front_end := share_front_end(self.segmentation_network):
            front_end.register_forward_hook(lambda _layer, _inputs, output: self._checked(Stage.FRONT_END, output))

    def compute_as(self, arithmetic: Arithmetic) -> None:
        """Move to the arithmetic's device, taking along filters that were computed once, unless it is the naive one."""
        if arithmetic.precision is not Precision.NAIVE and self.has_sincnet:
            fix_filters(self.segmentation_network)
        if getattr(self, "device", None) != arithmetic.device:  # pyannote's walk over all layers takes 20 ms a file
            self.to(arithmetic.device)
        self.arithmetic = arithmetic

    def get_segmentations(self, file: dict[str, Any], hook: Callable[..., None] | None = None) -> SlidingWindowFeature:
        """Decide who is active in each window, and keep the windows' speech probabilities as `speech_scores`.

        Returns:
            (windows, frames, speakers) hard (powerset) or soft decisions, as stock pyannote gives them.

        Raises:
            NonFiniteError: the front end or the scores hold NaN or Inf.
        """
        inference, windows, starts = self.segmenter, self.windows, self.starts_of(file)
        powerset = bool(inference.model.specifications.powerset)

        def segment(numbers: range, batch: Tensor) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            self._at.windows = numbers
            output = self._checked(Stage.SCORES, inference.model(batch))[: len(numbers)]
            decided = inference.conversion(output).float().cpu().numpy()
            return decided, speech_probability(output.float(), powerset=powerset).cpu().numpy()

        decisions = speech = np.empty(0, np.float32)
        for last, outputs in self._passes(segment, file["waveform"], starts, inference.batch_size):
            if not decisions.size:  # whole from the start: thousands of small pieces would fragment the heap
                decisions, speech = (np.empty((len(starts), *part.shape[1:]), part.dtype) for part in outputs)
            done = slice(last - len(outputs[0]), last)
            decisions[done], speech[done] = outputs
            if hook is not None:
                hook("segmentation", None, completed=last, total=len(starts))
        self.speech_scores = overlap_add(speech, windows, inference.model.receptive_field)
        if self.hooks:
            for stage in (Stage.FRONT_END, Stage.SCORES):
                self.hooks.finish(stage, len(starts))
            decisions = self.hooks.whole(Stage.DECISIONS, decisions)
        return SlidingWindowFeature(decisions, windows)

    def get_embeddings(
        self,
        file: dict[str, Any],
        binary_segmentations: SlidingWindowFeature,
        exclude_overlap: bool = False,  # pyannote's signature
        hook: Callable[..., None] | None = None,
    ) -> NDArray[np.float32]:
        """Embed every (window, speaker), the network run once per window with speech.

        Returns:
            (windows, speakers, dimension) float32, finite. Idle speakers hold the embedding of an empty mask, which
            is what stock pyannote computes for them: it matters, since constrained clustering sees idle speakers too.

        Raises:
            NonFiniteError: an embedding holds NaN or Inf.
        """
        if not self.shares_passes:
            return cast(NDArray[np.float32], super().get_embeddings(file, binary_segmentations, exclude_overlap, hook))
        shortest = self.embedder.min_num_samples / self.embedder.sample_rate if exclude_overlap else None
        masks = partial(pooling_masks, binary_segmentations, shortest)
        windows, _, speakers = binary_segmentations.data.shape
        embeddings = np.empty((windows, speakers, self.embedder.dimension), dtype=np.float32)
        talk = (binary_segmentations.data > 0).any(axis=(1, 2))
        busy = np.flatnonzero(talk)
        if len(busy) < windows:
            embeddings[~talk] = self.frame_encoder.idle_embedding(self.arithmetic).cpu().numpy()
        for numbers, output in self._embedded(file, masks, busy):
            require_finite(output, Stage.EMBEDDINGS, numbers.tolist(), self.windows)
            embeddings[numbers] = output.float().cpu().numpy()
            if hook is not None:
                hook("embeddings", None, completed=int(np.searchsorted(busy, numbers[-1])) + 1, total=len(busy))
        embeddings = self.hooks.whole(Stage.EMBEDDINGS, embeddings) if self.hooks else embeddings
        # Again, for idle speakers and for what was handed over: clustering leaves NaN out without a word.
        require_finite(torch.from_numpy(embeddings), Stage.EMBEDDINGS, range(len(embeddings)), self.windows)
        return embeddings

    def _embedded(self, file: dict[str, Any], masks: Masks, busy: NDArray[Any]) -> Iterator[tuple[Any, Tensor]]:
        """Yield (windows, (windows, speakers, dimension)) until every busy window is embedded: one pass each."""

        def embed(places: range, batch: Tensor) -> tuple[NDArray[Any], Tensor]:
            numbers = busy[places.start : places.stop]
            return numbers, self._embed(batch, pad_to(torch.from_numpy(masks(numbers)), len(batch)))[: len(numbers)]

        starts = np.array(self.starts_of(file))[busy].tolist()
        return (result for _, result in self._passes(embed, file["waveform"], starts, self.embedding_batch_size))

    def speaker_count(
        self,
        binarized: SlidingWindowFeature,
        frames: SlidingWindow,
        **options: Any,  # noqa: ANN401
    ) -> SlidingWindowFeature:
        """Count speakers per frame: pyannote's count, overruled by the speech score where a threshold was set.

        Where pyannote finds nobody in the whole file there is nobody to give more speech to.

        Returns:
            (frames, 1) speakers at a time.
        """
        count = super().speaker_count(binarized, frames, **options)
        threshold = self.speech_threshold if binarized.data.any() else max(self.speech_threshold, STOCK_THRESHOLD)
        self._added = overrule(count.data, self.speech_scores.values, threshold)
        return count

    def reconstruct(
        self, segmentations: SlidingWindowFeature, hard_clusters: NDArray[np.int8], count: SlidingWindowFeature
    ) -> SlidingWindowFeature:
        """Lay windows on frames as pyannote does; frames that a low threshold adds go to the nearest speaker.

        Returns:
            (frames, speakers) 0 or 1.
        """
        hard_clusters = self.hooks.whole(Stage.CLUSTERS, hard_clusters) if self.hooks else hard_clusters
        diarization = reconstruction.to_diarization(
            reconstruction.ClusteredWindows(segmentations, hard_clusters), count
        )
        if self._added.any():
            diarization.data = nearest_instead(diarization.data, self._added[: len(diarization.data)])
        return diarization

    def _checked(self, stage: Stage, output: Tensor) -> Tensor:
        """Pass a batch's stage output through the hooks, and require it to be finite."""
        # Nothing is set where stock pyannote runs these very networks.
        numbers: range = getattr(self._at, "windows", range(0))
        if self.hooks:
            output = torch.from_numpy(self.hooks.part(stage, numbers.start, output.float().cpu().numpy())).to(output)
        require_finite(output, stage, numbers, self.windows)
        return output

    def _passes(
        self, work: Callable[[range, Tensor], Result], waveform: Tensor, starts: list[int], size: int, length: int = 0
    ) -> Iterator[tuple[int, Result]]:
        """Yield (windows done, result) of each batch, in order. Each worker has batches of its own, and no helpers.

        Args:
            work: takes the windows' places in `starts` and the batch, (size, 1, length).
            waveform: (1, samples).
            starts: first sample of every window.
            size: windows of a batch, at most.
            length: samples of a window; 0 for segmentation's.
        """
        length = length or self.window_length
        bounds = even_bounds(len(starts), size, self.workers)
        planned = max(1, *map(sub, bounds[1:], bounds))
        self.batch = batches = BatchSize(planned, adapts=self.adapts and not self.hooks, clock=perf_counter)

        def run(first: int, count: int, size: int) -> tuple[int, Result]:
            rows = count if self.arithmetic.device.type == "cpu" else size
            with torch.inference_mode(), self.arithmetic.sensitive():
                batch = cut_windows(waveform, starts[first : first + count], length, rows, self.gain)
                return first + count, work(range(first, first + count), batch.to(self.segmenter.device))

        # Else new threads have as many of torch's own as another run set last, and a reference would change its bits.
        workers, one_thread = 1 if self.hooks else self.workers, partial(torch.set_num_threads, 1)
        with ThreadPoolExecutor(workers, initializer=one_thread) as pool:
            for results in pool.map(
                lambda first, stop: list(batches.pieces(first, stop, run)), bounds[:-1], bounds[1:]
            ):
                yield from results

    def _embed(self, batch: Tensor, masks: Tensor) -> Tensor:
        """Map (batch, 1, samples) and (batch, speakers, frames) to (batch, speakers, dimension)."""
        pool = self.embedding_network.forward_embedding
        return cast(Tensor, pool(self._frames(batch), weights=masks.to(batch.device)))

    def _frames(self, batch: Tensor) -> Tensor:
        """Map (batch, 1, samples) to the embedding network's frames, (batch, ..., frames), ready for pooling."""
        return self.frame_encoder.frames(batch, self.arithmetic)

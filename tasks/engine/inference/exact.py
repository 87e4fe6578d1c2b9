"""The exact engine: pyannote's speaker diarization, same turns, in a fraction of the time.

Stock pyannote runs the embedding network once per (window, speaker), idle speakers included, and decodes each window
anew. Here the network runs once per window that has speech, the speakers' masks are pooled together, windows are
slices of one array, and CPU cores work on different windows instead of sharing one. What decides (powerset argmax,
speaker count, clustering, aggregation) is pyannote's own code, or equal to it bit for bit (`frugal`): so are the turns.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from operator import sub
from threading import local
from time import perf_counter
from typing import Any, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from pyannote.audio.models.embedding.wespeaker import BaseWeSpeakerResNet
from pyannote.audio.models.segmentation import PyanNet
from pyannote.audio.pipelines import SpeakerDiarization
from pyannote.core import SlidingWindow, SlidingWindowFeature
from torch import Tensor

from tasks.engine.core.choices import Precision
from tasks.engine.core.stages import Stage
from tasks.engine.core.turns import SpeechScores
from tasks.engine.devices.precision import Arithmetic
from tasks.engine.inference import reconstruction
from tasks.engine.inference.batching import BatchSize, even_bounds
from tasks.engine.inference.hooks import StageHooks
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
    window_starts,
)
from tasks.engine.models.frame_encoder import FrameEncoder
from tasks.engine.models.sincnet import fix_filters, share_front_end

Result = TypeVar("Result")
Masks = Callable[[NDArray[Any]], NDArray[np.float32]]
"""From places of windows to their (windows, speakers, frames) weights for pooling."""


class ExactSpeakerDiarization(SpeakerDiarization):  # type: ignore[misc]  # pyannote ships no types
    """`pyannote.audio.pipelines.SpeakerDiarization` with shared network passes, speech scores and one arithmetic.

    Set per run: `arithmetic`, `workers` (threads, each with windows of its own), `adapts` (may speed change the batch
    size?), `gain` (of the samples), `speech_threshold` (0 to 1, on the score). After a run: `batch`, `speech_scores`.
    A `tap`, if any, sees every stage's output and may replace it; windows then pass one batch after the other.
    """

    engine = "exact"
    to_annotation = staticmethod(reconstruction.to_annotation)
    arithmetic = Arithmetic(Precision.FP32, torch.device("cpu"))
    workers: int = 1
    adapts: bool = False
    gain: float = 1.0
    speech_threshold: float = STOCK_THRESHOLD
    speech_scores: SpeechScores
    tap: StageHooks | None = None
    batch: BatchSize

    def __init__(self, **options: Any) -> None:  # noqa: ANN401  # pyannote's own, from code or a config file
        super().__init__(**options)
        self._at = local()  # which windows each thread has in segmentation
        if front_end := share_front_end(self._segmentation.model):
            front_end.register_forward_hook(lambda _layer, _inputs, output: self._checked(Stage.FRONT_END, output))

    def compute_as(self, arithmetic: Arithmetic) -> None:
        """Move to the arithmetic's device, taking along filters that were computed once, unless it is the naive one."""
        if arithmetic.precision is not Precision.NAIVE and isinstance(self._segmentation.model, PyanNet):
            fix_filters(self._segmentation.model)
        if getattr(self, "device", None) != arithmetic.device:  # pyannote's walk over all layers takes 20 ms a file
            self.to(arithmetic.device)
        self.arithmetic = arithmetic

    @property
    def shares_passes(self) -> bool:
        """Can the embedding network run once per window? Other networks take pyannote's own loop."""
        return isinstance(self._embedding.model_, BaseWeSpeakerResNet)

    def get_segmentations(self, file: dict[str, Any], hook: Callable[..., None] | None = None) -> SlidingWindowFeature:
        """Speaker activity per window.

        Returns:
            (windows, frames, speakers) hard (powerset) or soft decisions, as stock pyannote gives them. The speech
            probability of each window is kept on the way.
        """
        inference, windows, starts = self._segmentation, self._windows, self._starts(file)
        powerset = bool(inference.model.specifications.powerset)

        def segment(numbers: range, batch: Tensor) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            self._at.windows = numbers
            output = self._checked(Stage.SCORES, inference.model(batch))[: len(numbers)]
            decided = inference.conversion(output).float().cpu().numpy()
            return decided, speech_probability(output.float(), powerset=powerset).cpu().numpy()

        decisions = speech = np.empty(0, np.float32)
        for last, found in self._passes(segment, file["waveform"], starts, inference.batch_size):
            if not decisions.size:  # whole from the start: thousands of small pieces would leave memory in splinters
                decisions, speech = (np.empty((len(starts), *part.shape[1:]), part.dtype) for part in found)
            done = slice(last - len(found[0]), last)
            decisions[done], speech[done] = found
            if hook is not None:
                hook("segmentation", None, completed=last, total=len(starts))
        self.speech_scores = overlap_add(speech, windows, inference.model.receptive_field)
        if self.tap:
            self.tap.finish(Stage.FRONT_END, len(starts))
            self.tap.finish(Stage.SCORES, len(starts))
            decisions = self.tap.whole(Stage.DECISIONS, decisions)
        return SlidingWindowFeature(decisions, windows)

    def get_embeddings(
        self,
        file: dict[str, Any],
        binary_segmentations: SlidingWindowFeature,
        exclude_overlap: bool = False,  # pyannote's signature
        hook: Callable[..., None] | None = None,
    ) -> NDArray[np.float32]:
        """One embedding per (window, speaker), the network run once per window with speech.

        Returns:
            (windows, speakers, dimension) float32, finite. Idle speakers hold the embedding of an empty mask, which
            is what stock pyannote computes for them: it matters, since constrained clustering sees idle speakers too.
        """
        if not self.shares_passes:
            return cast(NDArray[np.float32], super().get_embeddings(file, binary_segmentations, exclude_overlap, hook))
        shortest = self._embedding.min_num_samples / self._embedding.sample_rate if exclude_overlap else None
        masks = partial(pooling_masks, binary_segmentations, shortest)
        windows, _, speakers = binary_segmentations.data.shape
        embeddings = np.empty((windows, speakers, self._embedding.dimension), dtype=np.float32)
        talk = (binary_segmentations.data > 0).any(axis=(1, 2))
        busy = np.flatnonzero(talk)
        if len(busy) < windows:
            embeddings[~talk] = self._trunk.idle_embedding(self.arithmetic).cpu().numpy()
        for chosen, output in self._embedded(file, masks, busy):
            require_finite(output, Stage.EMBEDDINGS, chosen.tolist(), self._windows)
            embeddings[chosen] = output.float().cpu().numpy()
            if hook is not None:
                hook("embeddings", None, completed=int(np.searchsorted(busy, chosen[-1])) + 1, total=len(busy))
        embeddings = self.tap.whole(Stage.EMBEDDINGS, embeddings) if self.tap else embeddings
        # Again, for idle speakers and for what was handed over: clustering leaves NaN out without a word.
        require_finite(torch.from_numpy(embeddings), Stage.EMBEDDINGS, range(len(embeddings)), self._windows)
        return embeddings

    def _embedded(self, file: dict[str, Any], masks: Masks, busy: NDArray[Any]) -> Iterator[tuple[Any, Tensor]]:
        """(windows, (windows, speakers, dimension)) until every busy window is embedded: one network pass each."""

        def embed(numbers: range, batch: Tensor) -> tuple[NDArray[Any], Tensor]:
            chosen = busy[numbers.start : numbers.stop]
            return chosen, self._embed(batch, pad_to(torch.from_numpy(masks(chosen)), len(batch)))[: len(chosen)]

        starts = np.array(self._starts(file))[busy].tolist()
        return (found for _, found in self._passes(embed, file["waveform"], starts, self.embedding_batch_size))

    def speaker_count(
        self,
        binarized: SlidingWindowFeature,
        frames: SlidingWindow,
        **options: Any,  # noqa: ANN401
    ) -> SlidingWindowFeature:
        """Speakers per frame: pyannote's count, overruled by the speech score where a threshold was set.

        Where pyannote finds nobody in the whole file there is nobody to give more speech to.
        """
        count = super().speaker_count(binarized, frames, **options)
        threshold = self.speech_threshold if binarized.data.any() else max(self.speech_threshold, STOCK_THRESHOLD)
        self._added = overrule(count.data, self.speech_scores.values, threshold)
        return count

    def reconstruct(
        self, segmentations: SlidingWindowFeature, hard_clusters: NDArray[np.int8], count: SlidingWindowFeature
    ) -> SlidingWindowFeature:
        """(frames, speakers) 0 or 1, as pyannote's; frames that a low threshold adds go to the nearest speaker."""
        hard_clusters = self.tap.whole(Stage.CLUSTERS, hard_clusters) if self.tap else hard_clusters
        diarization = reconstruction.to_diarization(
            reconstruction.ClusteredWindows(segmentations, hard_clusters), count
        )
        if self._added.any():
            diarization.data = nearest_instead(diarization.data, self._added[: len(diarization.data)])
        return diarization

    def _checked(self, stage: Stage, output: Tensor) -> Tensor:
        """A batch's stage output, as the tap leaves it, and finite."""
        # Nothing is set where stock pyannote runs these very networks.
        numbers: range = getattr(self._at, "windows", range(0))
        if self.tap:
            output = torch.from_numpy(self.tap.part(stage, numbers.start, output.float().cpu().numpy())).to(output)
        require_finite(output, stage, numbers, self._windows)
        return output

    @property
    def _windows(self) -> SlidingWindow:
        return SlidingWindow(start=0.0, duration=self._segmentation.duration, step=self._segmentation.step)

    def _starts(self, file: dict[str, Any]) -> list[int]:
        """First sample of every window."""
        audio, windows = self._segmentation.model.audio, self._windows
        step = round(windows.step * audio.sample_rate)
        return window_starts(file["waveform"].shape[1], audio.get_num_samples(windows.duration), step)

    def _passes(
        self, work: Callable[[range, Tensor], Result], waveform: Tensor, starts: list[int], size: int, length: int = 0
    ) -> Iterator[tuple[int, Result]]:
        """(windows done, result) of each batch, in order; work takes the windows' numbers and the batch.

        `length`: samples of a window, unless it is segmentation's. Each worker has batches of its own, and no helpers.
        """
        length = length or self._segmentation.model.audio.get_num_samples(self._segmentation.duration)
        bounds = even_bounds(len(starts), size, self.workers)
        planned = max(1, *map(sub, bounds[1:], bounds))
        self.batch = batches = BatchSize(planned, adapts=self.adapts and not self.tap, clock=perf_counter)

        def run(first: int, count: int, size: int) -> tuple[int, Result]:
            rows = count if self.arithmetic.device.type == "cpu" else size
            with torch.inference_mode(), self.arithmetic.sensitive():
                batch = cut_windows(waveform, starts[first : first + count], length, rows, self.gain)
                return first + count, work(range(first, first + count), batch.to(self._segmentation.device))

        def share(first: int, stop: int) -> list[tuple[int, Result]]:
            return list(batches.pieces(first, stop, run))

        # Else new threads have as many of torch's own as another run set last, and a reference would change its bits.
        with ThreadPoolExecutor(1 if self.tap else self.workers, initializer=partial(torch.set_num_threads, 1)) as pool:
            for results in pool.map(share, bounds[:-1], bounds[1:]):
                yield from results

    def _embed(self, batch: Tensor, masks: Tensor) -> Tensor:
        """(batch, 1, samples) and (batch, speakers, frames) to (batch, speakers, dimension)."""
        pool = self._embedding.model_.forward_embedding
        return cast(Tensor, pool(self._frames(batch), weights=masks.to(batch.device)))

    def _frames(self, batch: Tensor) -> Tensor:
        """(batch, 1, samples) to the embedding network's frames, (batch, ..., frames), ready for pooling."""
        return self._trunk.frames(batch, self.arithmetic)

    @cached_property
    def _trunk(self) -> FrameEncoder:
        return FrameEncoder(self._embedding.model_)

"""Windows through the networks, batch by batch, and who is active in each: what every engine of ours begins with."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from operator import sub
from threading import local
from time import perf_counter
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from pyannote.core import SlidingWindowFeature
from torch import Tensor

from tasks.engine.core.choices import Precision
from tasks.engine.core.stages import Stage
from tasks.engine.core.turns import SpeechScores
from tasks.engine.devices.precision import Arithmetic
from tasks.engine.inference.batching import BatchSize, even_bounds
from tasks.engine.inference.hooks import StageHooks
from tasks.engine.inference.pyannote_adapter import AdaptedSpeakerDiarization
from tasks.engine.inference.window_outputs import WindowOutputs
from tasks.engine.inference.windows import cut_windows, overlap_add, require_finite, speech_probability
from tasks.engine.models.sincnet import fix_filters, share_front_end

Result = TypeVar("Result")


class WindowedSpeakerDiarization(AdaptedSpeakerDiarization):
    """`pyannote.audio.pipelines.SpeakerDiarization` whose windows are slices of one array, in one arithmetic.

    Attributes:
        arithmetic: device and precision; set per run, as are the next ones.
        workers: threads, each with windows of its own.
        adapts: may speed change the batch size?
        gain: of the samples.
        hooks: see every stage's output and may replace it; windows then pass one batch after the other.
        chosen: places in the file of the windows to compute, ascending; None for all of them.
        given: what the networks gave for every window, where they are not to run again.
        keeps_windows: keep what the networks give for every window as `kept`?
        speech_scores: after a run, the speech probability of every frame.
        batch: after a run, the batch size that it ended with.
        kept: after a run, what the networks gave.
    """

    arithmetic = Arithmetic(Precision.FP32, torch.device("cpu"))
    workers: int = 1
    adapts: bool = False
    gain: float = 1.0
    hooks: StageHooks | None = None
    chosen: NDArray[np.int64] | None = None
    given: WindowOutputs | None = None
    keeps_windows: bool = False
    speech_scores: SpeechScores
    batch: BatchSize
    kept: WindowOutputs | None = None

    def __init__(self, **options: Any) -> None:  # noqa: ANN401  # pyannote's own, from code or a config file
        super().__init__(**options)
        self._at = local()  # which windows each thread has in segmentation
        if front_end := share_front_end(self.segmentation_network):
            front_end.register_forward_hook(lambda _layer, _inputs, output: self._checked(Stage.FRONT_END, output))

    def starts_of(self, file: dict[str, Any]) -> list[int]:
        """List the first sample of every window of a file, as pyannote slides them, or of the chosen ones alone."""
        starts = super().starts_of(file)
        return starts if self.chosen is None else [starts[number] for number in self.chosen]

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
        windows = self.windows
        if self.given is None:
            decisions, speech = self._segment(file, hook)
        else:
            decisions, speech = self.given.decisions.astype(np.float32), self.given.speech
        self.speech_scores = overlap_add(speech, windows, self.segmenter.model.receptive_field)
        if self.hooks:
            for stage in (Stage.FRONT_END, Stage.SCORES):
                self.hooks.finish(stage, len(speech))
            decisions = self.hooks.whole(Stage.DECISIONS, decisions)
        if self.keeps_windows:
            self.kept = WindowOutputs.of(speech, decisions)
        return SlidingWindowFeature(decisions, windows)

    def _segment(
        self, file: dict[str, Any], hook: Callable[..., None] | None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return (windows, frames, speakers) decisions and (windows, frames) speech probabilities."""
        inference, starts = self.segmenter, self.starts_of(file)
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
        return decisions, speech

    def _checked(self, stage: Stage, output: Tensor) -> Tensor:
        """Pass a batch's stage output through the hooks, and require it to be finite."""
        # Nothing is set where stock pyannote runs these very networks.
        numbers: range = getattr(self._at, "windows", range(0))
        if self.hooks:
            output = torch.from_numpy(self.hooks.part(stage, numbers.start, output.float().cpu().numpy())).to(output)
        require_finite(output, stage, self.places(numbers), self.windows)
        return output

    def places(self, numbers: Iterable[int]) -> list[int]:
        """Return the places in the file of windows by their number among those that are computed."""
        return list(numbers) if self.chosen is None else [int(self.chosen[number]) for number in numbers]

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

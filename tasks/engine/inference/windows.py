"""Windows on the samples, and what their scores mean: plain functions on arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pyannote.audio import Inference
from pyannote.core import SlidingWindow, SlidingWindowFeature
from torch import Tensor

from tasks.engine.core.errors import NonFiniteError
from tasks.engine.core.turns import SpeechScores

STOCK_THRESHOLD = 0.5
"""At this speech threshold the decisions are pyannote's own."""


def overrule(count: NDArray[Any], scores: NDArray[np.float32], threshold: float) -> NDArray[np.bool_]:
    """Have the speech score overrule (frames, 1) counts of speakers, in place.

    Returns:
        (frames,) where a threshold below pyannote's own has added a speaker.
    """
    if threshold > STOCK_THRESHOLD:
        count[scores[:, None] < threshold] = 0
    if threshold >= STOCK_THRESHOLD:
        return np.zeros(len(scores), dtype=bool)
    added = (count[:, 0] == 0) & (scores >= threshold)
    count[added] = 1
    return np.asarray(added)


def nearest_instead(active: NDArray[Any], replaced: NDArray[np.bool_]) -> NDArray[Any]:
    """Take each replaced frame of (frames, speakers) from the nearest that is not replaced and has a speaker."""
    trusted = np.flatnonzero(~replaced & active.any(axis=1))
    if not len(trusted):
        return active
    wanted = np.flatnonzero(replaced)
    after = np.clip(np.searchsorted(trusted, wanted), 0, len(trusted) - 1)
    before = np.maximum(after - 1, 0)
    nearer = np.where(wanted - trusted[before] <= trusted[after] - wanted, before, after)
    result = active.copy()
    result[wanted] = active[trusted[np.where(wanted < trusted[0], 0, nearer)]]
    return result


def window_starts(samples: int, length: int, step: int) -> list[int]:
    """List the first sample of every window as pyannote slides them: whole ones, then one zero-padded rest if any."""
    whole = (samples - length) // step + 1 if samples >= length else 0
    rest = samples < length or (samples - length) % step > 0
    return [i * step for i in range(whole + rest)]


def cut_windows(waveform: Tensor, starts: list[int], length: int, size: int, gain: float) -> Tensor:
    """Cut the windows that begin at `starts` out of (1, samples), amplified, with others behind to fill up.

    A partial batch can take another convolution algorithm on a GPU, with other rounding and ten times the memory: there
    `size` is always the same. Where windows overlap evenly, they are views on one stretch of samples, so that
    `OverlappingSincNet` can filter it once.

    Returns:
        (size, 1, length) float32.
    """
    steps = set(np.diff(starts).tolist()) or {length}
    if len(steps) == 1 and (step := steps.pop()) < length:
        stretch = amplified(waveform, starts[0], (size - 1) * step + length, gain)
        return stretch.unfold(0, length, step)[:, None]
    batch = torch.zeros((size, 1, length), dtype=torch.float32)
    for row, start in enumerate(starts):
        batch[row, 0] = amplified(waveform, start, length, gain)
    return batch


def amplified(waveform: Tensor, start: int, length: int, gain: float) -> Tensor:
    """Cut (length,) out of (1, samples), amplified, with zeros behind the last sample."""
    piece = waveform[0, start : start + length]
    stretch = torch.zeros(length, dtype=torch.float32)
    torch.mul(piece, gain, out=stretch[: len(piece)])
    return stretch


def pad_to(masks: Tensor, batch: int) -> Tensor:
    """Fill (n, speakers, frames) up to (batch, speakers, frames), with empty masks behind."""
    return torch.nn.functional.pad(masks, (0, 0, 0, 0, 0, batch - len(masks)))


def speech_probability(output: Tensor, *, powerset: bool) -> Tensor:
    """Turn (batch, frames, classes) into 1 minus the probability that nobody speaks, (batch, frames).

    Powerset outputs (Plaquet and Bredin, Interspeech 2023, arXiv 2310.13025) are log-probabilities whose class 0 is the
    empty set; multi-label ones are probabilities per speaker, of which the largest is taken, since pyannote calls a
    frame speech when any speaker is above threshold.
    """
    return -torch.expm1(output[..., 0]) if powerset else output.amax(dim=-1)


def require_finite(output: Tensor, stage: str, numbers: Sequence[int], windows: SlidingWindow) -> None:
    """Raise where a window holds NaN or Inf.

    Args:
        output: (rows, ...), one row per window, padding behind.
        stage: what gave it.
        numbers: the windows' places in the file.
        windows: their grid, in seconds.

    Raises:
        NonFiniteError: with the stage, the first such window's place and its time in seconds.
    """
    bad = ~torch.isfinite(output[: len(numbers)]).flatten(1).all(dim=1)
    if bool(bad.any()):
        window = int(numbers[int(bad.nonzero()[0, 0])])
        seconds = window * windows.step
        raise NonFiniteError(
            f"values of the {stage} are not finite in window {window} ({seconds:.1f} s): expected finite numbers"
        )


def pooling_masks(
    decisions: SlidingWindowFeature, shortest_sec: float | None, numbers: NDArray[Any] | slice = slice(None)
) -> NDArray[np.float32]:
    """Turn decisions into weights for pooling.

    Args:
        decisions: (windows, frames, speakers) who is active.
        shortest_sec: leave overlapped frames out where more than this many seconds of others remain, as pyannote's
            `embedding_exclude_overlap`; None keeps every frame.
        numbers: places in the file of the windows that are wanted.

    Returns:
        (windows, speakers, frames) float32, contiguous.
    """
    active = np.nan_to_num(decisions.data[numbers], nan=0.0).astype(np.float32)
    if shortest_sec is not None:
        alone = decisions.data[numbers].sum(axis=2, keepdims=True) <= 1
        clean = active * alone
        minimum = np.ceil(active.shape[1] * shortest_sec / decisions.sliding_window.duration)
        active = np.where(clean.sum(axis=1, keepdims=True) > minimum, clean, active)
    return np.ascontiguousarray(active.transpose(0, 2, 1))


def overlap_add(speech: NDArray[np.float32], windows: SlidingWindow, frames: SlidingWindow) -> SpeechScores:
    """Average (windows, frames) speech probabilities onto the grid that decisions are made on."""
    mean = aggregate(SlidingWindowFeature(speech[..., None], windows), frames)
    return SpeechScores(mean.astype(np.float32), frames.duration / 2, frames.step)


def aggregate(values: SlidingWindowFeature, frames: SlidingWindow, *, total: bool = False) -> NDArray[Any]:
    """Average (windows, frames, 1) values of overlapping windows, or sum them, onto a grid of frames: (frames,)."""
    whole = Inference.aggregate(values, frames, missing=0.0, skip_average=total)
    return np.asarray(whole.data[:, 0])

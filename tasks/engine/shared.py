"""The shared engine: the embedding network once over the audio, every window sliced from it.

Windows overlap, so the exact engine embeds each second of audio ten times. Here the network takes blocks of a window's
length that do not overlap, and the frames of a window are slices of the one or two blocks that it lies in. Three things
make this an approximation: the filter bank's mean and CAM++'s context-aware masks are those of the block instead of the
window, and convolutions end at the block's edges. Where a window is a block, nothing differs: so for a file of one
window, for the last window of every file, and for every tenth from the first on, unless the last block cuts into it.

What the approximation costs is measured in docs/measurements.md, "The shared engine"; its runs are held against the
exact engine.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.engine.pipeline import ExactSpeakerDiarization, Masks

PORTION = 32
"""Blocks whose frames are held at once, 1 MiB each: four hours are 1440 blocks."""


@dataclass(frozen=True, slots=True)
class Block:
    """One pass of the embedding network, and the windows that can be pooled once it is done.

    start: first sample. stop: first sample that the next block supplies; that of the block's end where none follows.
    windows: places in the file of the windows that end in this block. opens: does it share nothing with the last one?
    """

    start: int
    stop: int
    windows: tuple[int, ...]
    opens: bool


def blocks_of(numbers: list[int], starts: list[int], length: int, samples: int) -> Iterator[Block]:
    """Cover the windows with as few blocks as hold them, each of a window's length.

    Args:
        numbers: places in the file of the windows that are wanted, ascending.
        starts: first sample of every window of the file.
        length: of a window, in samples.
        samples: of the file. A window that reaches beyond is padded with zeros, which move the filter bank's mean: it
            is a block of its own.
    """
    stretch: list[int] = []
    for number in numbers:
        padded = starts[number] + length > samples
        if stretch and (padded or starts[number] >= starts[stretch[-1]] + length):
            yield from cover(stretch, starts, length)
            stretch = []
        stretch.append(number)
    if stretch:
        yield from cover(stretch, starts, length)


def cover(stretch: list[int], starts: list[int], length: int) -> Iterator[Block]:
    """Blocks for windows that overlap: one after the other from the first window on, and one at the last window."""
    first, last = starts[stretch[0]], starts[stretch[-1]]
    heads = [*range(first, last, length), last]
    stops = [*heads[1:], last + length]
    waiting = list(stretch)
    for head, stop in zip(heads, stops, strict=True):
        ready = [number for number in waiting if starts[number] + length <= stop]
        waiting = waiting[len(ready) :]
        yield Block(head, stop, tuple(ready), opens=head == first)


class SharedSpeakerDiarization(ExactSpeakerDiarization):
    """`ExactSpeakerDiarization` with embeddings pooled from frames that windows share.

    Of networks other than those that the exact engine knows, no frames are known: they take pyannote's own loop.
    """

    engine = "shared"

    def _embedded(self, file: dict[str, Any], masks: Masks, busy: NDArray[Any]) -> Iterator[tuple[Any, Tensor]]:
        """(windows, (windows, speakers, dimension)) until every busy window is embedded: one network pass per block."""
        waveform, starts = file["waveform"], self._starts(file)
        length = self._segmentation.model.audio.get_num_samples(self._segmentation.duration)
        blocks = list(blocks_of(busy.tolist(), starts, length, waveform.shape[1]))
        held, held_from = torch.empty(0), 0
        for block, frames in self._block_frames(waveform, blocks):
            count, period = frames.shape[-1], self._period(length, frames.shape[-1])
            first, stop = round(block.start / period), round(block.stop / period)
            if block.opens:
                held, held_from = frames[..., :0], first
            held = torch.cat([held, fitted(frames, stop - first)], dim=-1)
            if block.windows:
                chosen = np.array(block.windows)
                offsets = [round(starts[i] / period) - held_from for i in block.windows]
                cuts = [held[..., i : i + count] for i in offsets]
                yield chosen, self._pool(cuts, torch.from_numpy(masks(chosen)))
            spent = max(0, held.shape[-1] - round(length / period) - 1)
            held, held_from = held[..., spent:], held_from + spent

    def _block_frames(self, waveform: Tensor, blocks: list[Block]) -> Iterator[tuple[Block, Tensor]]:
        """Each block with its (channels, ..., frames), a portion after the other: results wait in memory."""

        def work(numbers: range, batch: Tensor) -> Tensor:
            return self._frames(batch)[: len(numbers)]

        # On the CPU one by one, which costs no time: windows are pooled here while workers embed the next blocks.
        size = 1 if self.arithmetic.device.type == "cpu" else self.embedding_batch_size
        for i in range(0, len(blocks), PORTION):
            portion = blocks[i : i + PORTION]
            passes = self._passes(work, waveform, [block.start for block in portion], size)
            yield from zip(portion, (frames for _, batch in passes for frames in batch), strict=True)
            size = self.batch.size if self.batch.reduced else size

    def _pool(self, frames: list[Tensor], masks: Tensor) -> Tensor:
        """Windows of (channels, ..., frames) and (windows, speakers, any_frames) to (windows, speakers, dimension)."""
        pool, size = self._embedding.model_.forward_embedding, self.embedding_batch_size
        with torch.inference_mode(), self.arithmetic.sensitive():
            pieces = [torch.stack(frames[i : i + size]) for i in range(0, len(frames), size)]
            weights = torch.split(masks.to(frames[0].device), size)
            return torch.cat([pool(piece, weights=some) for piece, some in zip(pieces, weights, strict=True)])

    def _period(self, length: int, frames: int) -> int:
        """Samples from one frame of the embedding network to the next: a whole number of the filter bank's."""
        model = self._embedding.model_
        shift = round(model.hparams.sample_rate * model.hparams.frame_shift / 1000)
        return int(shift * round(length / shift / frames))


def fitted(frames: Tensor, count: int) -> Tensor:
    """(..., frames) cut to `count`, or with the last one repeated: the filter bank ends a frame before the samples."""
    missing = count - frames.shape[-1]
    return frames[..., :count] if missing <= 0 else torch.cat([frames, *[frames[..., -1:]] * missing], dim=-1)

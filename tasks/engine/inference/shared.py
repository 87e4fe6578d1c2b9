"""The shared engine: the embedding network once over the audio, every window sliced from it.

Windows overlap, so the exact engine embeds each second of audio ten times. Here the network takes blocks of about a
window's length that do not overlap, and the frames of a window are slices of the blocks that it lies in. Three things
make this an approximation: the filter bank's mean and CAM++'s context-aware masks are those of the block instead of the
window, and convolutions end at the block's edges. A file of one window is one block, and nothing differs. Frames of a
ResNet are 80 ms long and do not divide a step of 1 s: those in between are computed, too, or every second window would
be cut half a frame off.

What the approximation costs is measured in docs/lab_notes/measurements.md, "The shared engine"; its runs are held
against the exact engine.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.engine.core.choices import Engine
from tasks.engine.core.constants import SAMPLE_RATE
from tasks.engine.inference.exact import ExactSpeakerDiarization, Masks

PORTION = 32
"""Blocks whose frames are held at once, 1 MiB each, of a ResNet 2.5 MiB: four hours are 1440 blocks."""


@dataclass(frozen=True, slots=True)
class Block:
    """One pass of the embedding network, and the windows that can be pooled once it is done.

    Attributes:
        start: first sample.
        stop: first sample that the next block supplies; the last window's end where none follows.
        windows: places in the file of the windows that end in this block.
        opens: was the block before it left out?
    """

    start: int
    stop: int
    windows: tuple[int, ...]
    opens: bool


def even_blocks(samples: int, length: int, period: int) -> tuple[int, list[int]]:
    """Divide a file into blocks of equal length, as many as bring it nearest to a window's.

    Rounded up to whole frames, so the last one begins early: by under a frame for each block, and less than a block.
    Where the file is one window, the block is it.

    Args:
        samples: of the file.
        length: of a window, in samples.
        period: samples from one frame of the network to the next.

    Returns:
        Samples of a block, and the first sample of each.
    """
    if samples <= length:
        return length, [0]
    size = -(-samples // (round(samples / length) * period)) * period
    last = max(0, (samples - size) // period * period)
    return size, [min(head, last) for head in range(0, samples - period + 1, size)]


def blocks_of(numbers: list[int], starts: list[int], length: int, heads: list[int]) -> Iterator[Block]:
    """Yield the blocks that hold the wanted windows: none where nobody speaks.

    Args:
        numbers: places in the file of the windows that are wanted, ascending.
        starts: first sample of every window of the file. The last window may reach beyond the file.
        length: of a window, in samples.
        heads: first sample of every block that the file has room for, ascending.
    """
    waiting, opens = list(numbers), True
    for head, stop in zip(heads, [*heads[1:], starts[-1] + length], strict=True):
        needed = any(starts[number] < stop for number in waiting)
        if needed:
            ready = [number for number in waiting if starts[number] + length <= stop]
            waiting = waiting[len(ready) :]
            yield Block(head, stop, tuple(ready), opens)
        opens = not needed


class SharedSpeakerDiarization(ExactSpeakerDiarization):
    """`ExactSpeakerDiarization` with embeddings pooled from frames that windows share.

    Of networks other than those that the exact engine knows, no frames are known: they take pyannote's own loop.
    """

    engine = Engine.SHARED

    def _embedded(self, file: dict[str, Any], masks: Masks, busy: NDArray[Any]) -> Iterator[tuple[Any, Tensor]]:
        """Yield (windows, (windows, speakers, dimension)) until every busy window is embedded: one pass per block."""
        waveform, starts, length = file["waveform"], self.starts_of(file), self.window_length
        count, period = self.embedding_network.num_frames(length), self._period(length)
        size, heads = even_blocks(waveform.shape[1], length, period)
        blocks = list(blocks_of(busy.tolist(), starts, length, heads))
        phases = 1
        if len(heads) > 1:  # else the one block is the one window
            size, phases = size + self._overhang, self.frame_encoder.phases(self._step, period)
        period //= phases
        held, held_from = torch.empty(0), 0
        for block, frames in self._block_frames(waveform, blocks, size, phases):
            first, stop = block.start // period, block.stop // period
            if block.opens:
                held, held_from = frames[..., :0], first
            held = torch.cat([held, fitted(frames, stop - first)], dim=-1)
            if block.windows:
                numbers = np.array(block.windows)
                offsets = [round(starts[i] / period) - held_from for i in block.windows]
                cuts = [held[..., i : i + count * phases : phases] for i in offsets]
                yield numbers, self._pool(cuts, torch.from_numpy(masks(numbers)))
            spent = max(0, held.shape[-1] - round(length / period) - 1)
            held, held_from = held[..., spent:], held_from + spent

    def _block_frames(
        self, waveform: Tensor, blocks: list[Block], length: int, phases: int = 1
    ) -> Iterator[tuple[Block, Tensor]]:
        """Yield each block of `length` samples with its (channels, ..., frames), by portions: results wait in memory.

        On the CPU one block per worker. Where the last ones are fewer than the workers, idle cores help inside the
        network's layers, once nobody else computes: threads that share a block wait for each other at every layer.
        """
        on_cpu = self.arithmetic.device.type == "cpu"
        planned = size = 1 if on_cpu else self.embedding_batch_size
        rounds = -(-PORTION // self.workers) * self.workers
        for i in range(0, len(blocks), rounds):
            portion = blocks[i : i + rounds]
            last = len(portion) % self.workers if on_cpu and not self.hooks else 0
            encoded: list[Tensor] = []
            if whole := portion[: len(portion) - last]:
                encoded = self._frames_of(whole, waveform, size, length, phases)
                size = self.batch.size if self.batch.reduced else size
            if last:
                encoded += self._frames_of(portion[-last:], waveform, size, length, phases, self.workers // last)
            if size < planned:  # in whichever portion memory ran out
                self.batch.size, self.batch.reduced = size, True
            yield from zip(portion, encoded, strict=True)

    def _frames_of(
        self, blocks: list[Block], waveform: Tensor, size: int, length: int, phases: int, threads: int = 1
    ) -> list[Tensor]:
        """Encode each block to (channels, ..., frames), with `threads` of torch's own inside a layer."""

        def work(numbers: range, batch: Tensor) -> Tensor:
            with torch_threads(threads) if threads > 1 else nullcontext():
                return self._frames(batch, phases)[: len(numbers)]

        passes = self._passes(work, waveform, [block.start for block in blocks], size, length)
        return [frames for _, batch in passes for frames in batch]

    def _pool(self, frames: list[Tensor], masks: Tensor) -> Tensor:
        """Pool (channels, ..., frames) per window under (windows, speakers, any_frames).

        Windows with as many talkers go together. Idle speakers, most of them, are not pooled: their embedding is known.

        Returns:
            (windows, speakers, dimension) float32.
        """
        pool, size = self.embedding_network.forward_embedding, self.embedding_batch_size
        talking, masks = masks.any(dim=-1), masks.to(frames[0].device)
        talkers = talking.sum(dim=1)
        idle = self.frame_encoder.idle_embedding(self.arithmetic, tuple(frames[0].shape))
        embeddings = idle.repeat(*talking.shape, 1)
        with torch.inference_mode(), self.arithmetic.sensitive():
            for count in sorted({*talkers.tolist()} - {0}):
                alike = talkers == count
                weights = masks[alike][talking[alike]].reshape(-1, count, masks.shape[-1])
                batches = zip(torch.split(alike.nonzero()[:, 0], size), torch.split(weights, size), strict=True)
                pooled = [pool(torch.stack([frames[i] for i in rows]), weights=some) for rows, some in batches]
                embeddings[alike[:, None] & talking] = torch.cat(pooled).flatten(0, 1).float()
        return embeddings

    def _period(self, length: int) -> int:
        """Count the samples from one frame of the embedding network to the next: whole frames of the filter bank."""
        model = self.embedding_network
        shift = round(model.hparams.sample_rate * model.hparams.frame_shift / 1000)
        return int(shift * round(length / shift / model.num_frames(length)))

    @property
    def _step(self) -> int:
        """Samples from one window to the next."""
        return round(float(self.windows.step) * SAMPLE_RATE)

    @property
    def _overhang(self) -> int:
        """How far, in samples, the filter bank's last frame reaches into the next block: with them a block is whole."""
        model = self.embedding_network
        return int(model.hparams.sample_rate * (model.hparams.frame_length - model.hparams.frame_shift) // 1000)


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Give the calling thread `count` of torch's own inside a layer; one again behind it, as `diarize` has set it."""
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(1)


def fitted(frames: Tensor, count: int) -> Tensor:
    """Cut (..., frames) to `count`, or repeat the last: the filter bank ends a frame before the samples."""
    missing = count - frames.shape[-1]
    return frames[..., :count] if missing <= 0 else torch.cat([frames, *[frames[..., -1:]] * missing], dim=-1)

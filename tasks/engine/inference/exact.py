"""The exact engine: pyannote's speaker diarization, same turns, in a fraction of the time.

Stock pyannote runs the embedding network once per (window, speaker), idle speakers included, and decodes each window
anew. Here the network runs once per window that has speech, the speakers' masks are pooled together, windows are
slices of one array, and CPU cores work on different windows instead of sharing one. What decides (powerset argmax,
speaker count, clustering, aggregation) is pyannote's own code, or equal to it bit for bit (`reconstruction`): so are
the turns.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from pyannote.core import SlidingWindow, SlidingWindowFeature
from torch import Tensor

from tasks.engine.core.choices import Engine
from tasks.engine.core.stages import Stage
from tasks.engine.inference import reconstruction
from tasks.engine.inference.segmentation import WindowedSpeakerDiarization
from tasks.engine.inference.windows import (
    STOCK_THRESHOLD,
    nearest_instead,
    overrule,
    pad_to,
    pooling_masks,
    require_finite,
)

Masks = Callable[[NDArray[Any]], NDArray[np.float32]]
"""From places of windows to their (windows, speakers, frames) weights for pooling."""


class ExactSpeakerDiarization(WindowedSpeakerDiarization):
    """`pyannote.audio.pipelines.SpeakerDiarization` with shared network passes, speech scores and one arithmetic.

    Attributes:
        engine: which of ours this is.
        speech_threshold: 0 to 1, on the score.
        clustered: windows and clusters that were laid on frames, until pyannote has asked a second time, for one
            speaker at a time.
    """

    engine = Engine.EXACT
    to_annotation = staticmethod(reconstruction.to_annotation)
    speech_threshold: float = STOCK_THRESHOLD
    clustered: reconstruction.ClusteredWindows | None = None

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
        if self.given is not None:
            return self.given.embeddings
        embeddings = self._embed_windows(file, binary_segmentations, exclude_overlap, hook)
        if self.kept is not None:
            self.kept = replace(self.kept, embeddings=embeddings)
        return embeddings

    def _embed_windows(
        self,
        file: dict[str, Any],
        binary_segmentations: SlidingWindowFeature,
        exclude_overlap: bool,  # pyannote's
        hook: Callable[..., None] | None,
    ) -> NDArray[np.float32]:
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
            require_finite(output, Stage.EMBEDDINGS, self.places(numbers.tolist()), self.windows)
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
        self,
        segmentations: SlidingWindowFeature,
        hard_clusters: NDArray[np.signedinteger[Any]],
        count: SlidingWindowFeature,
    ) -> SlidingWindowFeature:
        """Lay windows on frames as pyannote does; frames that a low threshold adds go to the nearest speaker.

        Returns:
            (frames, speakers) 0 or 1.
        """
        hard_clusters = self.hooks.whole(Stage.CLUSTERS, hard_clusters) if self.hooks else hard_clusters
        before, self.clustered = self.clustered, None
        if before is not None and before.holds(segmentations, hard_clusters):
            clustered = before
        else:
            clustered = self.clustered = reconstruction.ClusteredWindows(segmentations, hard_clusters.copy())
        diarization = reconstruction.to_diarization(clustered, count)
        if self._added.any():
            diarization.data = nearest_instead(diarization.data, self._added[: len(diarization.data)])
        return diarization

    def _embed(self, batch: Tensor, masks: Tensor) -> Tensor:
        """Map (batch, 1, samples) and (batch, speakers, frames) to (batch, speakers, dimension)."""
        pool = self.embedding_network.forward_embedding
        return cast(Tensor, pool(self._frames(batch), weights=masks.to(batch.device)))

    def _frames(self, batch: Tensor, phases: int = 1) -> Tensor:
        """Map (batch, 1, samples) to the embedding network's frames, (batch, ..., frames), ready for pooling."""
        return self.frame_encoder.frames(batch, self.arithmetic, phases)

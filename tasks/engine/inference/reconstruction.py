"""pyannote's last steps, with the same results bit for bit: in bounded memory, without a Python object per frame.

Four hours of audio must not need gigabytes, and have 850,000 frames.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from pyannote.audio import Inference
from pyannote.core import Annotation, Segment, SlidingWindow, SlidingWindowFeature
from pyannote.core.utils.generators import string_generator

TOGETHER = 16
"""Clusters that are aggregated at a time: pyannote needs three arrays of (frames, clusters) for it."""

FRAMES_TOGETHER = 1 << 14
"""Frames whose speakers are ranked at a time."""


class ClusteredWindows:
    """Activity of clusters, made window by window as pyannote aggregates it.

    pyannote's `reconstruct` holds all of it in float64: 3.4 GB for four hours and fifty clusters. Its aggregation wants
    no more than a shape, the sliding window and an iterator, and is left as it is.

    Attributes:
        segmentations: (windows, frames, speakers) activity, or `ChosenWindows`.
        hard_clusters: (windows, speakers) the cluster of each speaker of a window; below 0 for idle ones.
        sliding_window: the grid of windows.
        data: (windows, frames, clusters), of which pyannote reads the shape alone.
    """

    def __init__(
        self, segmentations: SlidingWindowFeature, hard_clusters: NDArray[np.signedinteger], clusters: int | None = None
    ) -> None:
        self.segmentations, self.hard_clusters = segmentations, hard_clusters
        self.sliding_window = segmentations.sliding_window
        self.clusters = int(hard_clusters.max()) + 1 if clusters is None else clusters
        self._aggregated: tuple[SlidingWindow, SlidingWindowFeature] | None = None
        self.data = np.broadcast_to(np.float64(np.nan), (*segmentations.data.shape[:2], self.clusters))

    def holds(self, segmentations: SlidingWindowFeature, hard_clusters: NDArray[np.signedinteger]) -> bool:
        """Is it made of these?"""
        return self.segmentations is segmentations and np.array_equal(self.hard_clusters, hard_clusters)

    def aggregated(self, frames: SlidingWindow) -> SlidingWindowFeature:
        """Sum the activity of overlapping windows as pyannote does, some clusters at a time, and remember it.

        Returns:
            (frames, clusters) float32.
        """
        if self._aggregated is None or self._aggregated[0] is not frames:
            self._aggregated = frames, aggregated(self, frames)
        return self._aggregated[1]

    def some(self, first: int) -> "ClusteredWindows":
        """Return the same windows with `TOGETHER` of their clusters alone, from `first` on."""
        ours = (self.hard_clusters >= first) & (self.hard_clusters < first + TOGETHER)
        numbers = np.where(ours, self.hard_clusters - first, -1)
        return ClusteredWindows(self.segmentations, numbers, min(TOGETHER, self.clusters - first))

    def __iter__(self) -> Iterator[tuple[Segment, NDArray[np.float64]]]:
        """Yield each window with its (frames, clusters): a cluster's most active speaker, NaN where it has none."""
        for assigned, (window, active) in zip(self.hard_clusters, self.segmentations, strict=True):
            clustered = np.full(self.data.shape[1:], np.nan)
            for cluster in set(assigned[assigned >= 0].tolist()):
                clustered[:, cluster] = active[:, assigned == cluster].max(axis=1)
            yield window, clustered


def to_diarization(segmentations: ClusteredWindows, count: SlidingWindowFeature) -> SlidingWindowFeature:
    """Select in each frame the most active speakers, as many as are counted there.

    Equal to `SpeakerDiarization.to_diarization`, in bytes: a hundred speakers of four hours take 90 MB, not 2 GB.

    Args:
        segmentations: (windows, frames, speakers) activity, NaN where a speaker has none.
        count: (frames, 1) speakers at a time.

    Returns:
        (frames, speakers) uint8, 0 or 1.
    """
    active = segmentations.aggregated(count.sliding_window)
    if (lacking := int(count.data.max()) - active.data.shape[1]) > 0:
        active = SlidingWindowFeature(np.pad(active.data, ((0, 0), (0, lacking))), active.sliding_window)
    extent = active.extent & count.extent
    active, count = cropped(active, extent), cropped(count, extent)
    frames = min(len(active), len(count))
    selected = np.zeros(active.data.shape, np.uint8)
    for first in range(0, frames, FRAMES_TOGETHER):
        part = slice(first, min(first + FRAMES_TOGETHER, frames))
        ranked = np.argsort(-active.data[part], axis=-1)
        np.put_along_axis(selected[part], ranked, np.arange(ranked.shape[1]) < count.data[part], axis=-1)
    return SlidingWindowFeature(selected, active.sliding_window)


def cropped(whole: SlidingWindowFeature, extent: Segment) -> SlidingWindowFeature:
    """Crop as pyannote does, without a copy: which rows it takes is asked of their numbers."""
    numbers = SlidingWindowFeature(np.arange(len(whole.data))[:, None], whole.sliding_window)
    kept = numbers.crop(extent, return_data=False)
    return SlidingWindowFeature(whole.data[kept.data[0, 0] : kept.data[-1, 0] + 1], kept.sliding_window)


def aggregated(segmentations: ClusteredWindows, frames: SlidingWindow) -> SlidingWindowFeature:
    """Sum the activity of overlapping windows as pyannote does, some clusters at a time.

    Returns:
        (frames, clusters) float32.
    """
    parts = (
        Inference.aggregate(segmentations.some(first), frames, missing=0.0, skip_average=True)
        for first in range(0, segmentations.clusters, TOGETHER)
    )
    whole = next(parts)
    if segmentations.clusters > TOGETHER:
        data = np.empty((len(whole.data), segmentations.clusters), whole.data.dtype)
        data[:, :TOGETHER] = whole.data
        for number, part in enumerate(parts, 1):
            data[:, number * TOGETHER : (number + 1) * TOGETHER] = part.data
        whole.data = data
    return whole


def to_annotation(
    discrete: SlidingWindowFeature, min_duration_on: float = 0.0, min_duration_off: float = 0.0
) -> Annotation:
    """Make turns from the middle of a first frame to that of the next silent one.

    Equal to `SpeakerDiarization.to_annotation`.

    Args:
        discrete: (frames, speakers) 0 or 1.
        min_duration_on: seconds; shorter turns are dropped.
        min_duration_off: seconds; shorter pauses of a speaker are filled.
    """
    frames, annotation, track = discrete.sliding_window, Annotation(), string_generator()
    starts = frames.start + np.arange(len(discrete)) * frames.step
    middles = (0.5 * (starts + (starts + frames.duration))).tolist()
    for speaker, active in enumerate((discrete.data > 0.5).T):  # noqa: PLR2004  # pyannote's onset
        name = next(track)
        bounds = [middles[frame] for frame in np.flatnonzero(np.diff(active, prepend=False))]
        if len(bounds) % 2:  # who speaks in the last frame does so until its middle
            bounds.append(middles[-1])
        for start, end in zip(bounds[::2], bounds[1::2], strict=True):
            annotation[Segment(start, end), name] = speaker
    if min_duration_off > 0:
        annotation = annotation.support(collar=min_duration_off)
    if min_duration_on > 0:
        for segment, name in list(annotation.itertracks()):
            if segment.duration < min_duration_on:
                del annotation[segment, name]
    return annotation

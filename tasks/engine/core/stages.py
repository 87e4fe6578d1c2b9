"""The stages of one diarization, in order, and what each gave: the ground that localization stands on."""

from enum import StrEnum
from typing import Any

from numpy.typing import NDArray


class Stage(StrEnum):
    """Where a candidate can part from its reference, in the order of computation."""

    SAMPLES = "samples"
    """(samples,) float32, as the networks see them: decoded and levelled."""
    FRONT_END = "front end"
    """(windows, features, frames) float32: SincNet's output."""
    SCORES = "segmentation scores"
    """(windows, frames, classes) float32: log-probabilities of the powerset classes."""
    DECISIONS = "decisions"
    """(windows, frames, speakers) float32: who is active in each window."""
    EMBEDDINGS = "embeddings"
    """(windows, speakers, dimension) float32."""
    CLUSTERS = "clusters"
    """(windows, speakers) int: which speaker of the file each speaker of a window is; -2 for idle ones."""
    FRAMES = "frame mapping"
    """The table of video frames."""


Value = NDArray[Any]

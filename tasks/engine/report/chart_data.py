"""Data of the charts, as small as it can be sent: runs of frames, and long series packed for the browser."""

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.engine.core.timeline import Timeline
from tasks.engine.gate.measurements import Stretch, worst_stretch

MAX_PLACES = 8
"""Most places listed on the page."""

BUCKET_SEC = 0.01
"""The waveform is the lowest and highest sample of each bucket, longer where the recording is long."""
MAX_BUCKETS = 1 << 19
"""Most buckets of one waveform."""

SCORE_STEPS = 10_000
"""Scores are sent as whole multiples of 1 / SCORE_STEPS."""


@dataclass(frozen=True, slots=True)
class Place:
    """A stretch worth looking at.

    Attributes:
        stretch: frames and times.
        differing: how many of its frames differ, in speech or in who speaks.
    """

    stretch: Stretch
    differing: int


def runs(active: NDArray[np.bool_]) -> list[list[int]]:
    """List [first, stop) of each run of true values, counted from 0."""
    edges: list[list[int]] = np.flatnonzero(np.diff(active, prepend=False, append=False)).reshape(-1, 2).tolist()
    return edges


def lanes(reference: Timeline | None, candidate: Timeline, mapping: Mapping[str, str]) -> list[dict[str, Any]]:
    """Make a lane per speaker: names and runs of either side, paired as the comparison paired them.

    Args:
        reference: None where there is one timeline only.
        candidate: the other side.
        mapping: reference speaker to candidate speaker.
    """
    candidate_runs = _runs_by_speaker(candidate)
    paired = [
        {
            "reference": name,
            "candidate": mapping.get(name),
            "r": reference_runs,
            "c": candidate_runs.get(mapping.get(name, ""), []),
        }
        for name, reference_runs in (_runs_by_speaker(reference) if reference else {}).items()
    ]
    unpaired = [name for name in candidate_runs if name not in mapping.values()]
    return paired + [{"reference": None, "candidate": name, "r": [], "c": candidate_runs[name]} for name in unpaired]


def _runs_by_speaker(timeline: Timeline) -> dict[str, list[list[int]]]:
    names, active = timeline.voices()
    return {name: runs(active[:, column]) for column, name in enumerate(names)}


def differences(reference: Timeline, candidate: Timeline, mapping: Mapping[str, str]) -> tuple[NDArray[np.bool_], ...]:
    """Mark the (frames,) that differ in speech, and the (frames,) that agree on it and differ in who speaks."""
    flips = reference.speech != candidate.speech
    names, active = reference.voices()
    other_names, other_active = candidate.voices()
    differs = np.zeros(len(flips), bool)
    for column, name in enumerate(names):
        partner = mapping.get(name)
        has_partner = partner in other_names
        differs |= active[:, column] != (other_active[:, other_names.index(partner)] if has_partner else False)
    for column, name in enumerate(other_names):
        if name not in mapping.values():
            differs |= other_active[:, column]
    return flips, differs & ~flips


def worst_places(differing: NDArray[np.bool_], clock: Timeline) -> list[Place]:
    """Find the stretches with most differing frames, worst first, none counting a frame that an earlier one did.

    Args:
        differing: (frames,) bool.
        clock: gives the frames' times.
    """
    left = differing.copy()
    places: list[Place] = []
    while left.any() and len(places) < MAX_PLACES:
        stretch = worst_stretch(left, clock)
        window = slice(stretch.first_frame - 1, stretch.last_frame)
        places.append(Place(stretch, int(np.count_nonzero(left[window]))))
        left[window] = False
    return places


def packed_scores(scores: NDArray[np.float32] | None) -> str | None:
    """Pack (frames,) scores, 0 to 1, as differences of int16 multiples of 1 / SCORE_STEPS, little-endian."""
    if scores is None:
        return None
    steps = np.rint(np.clip(np.nan_to_num(scores), 0, 1) * SCORE_STEPS).astype(np.int16)
    return packed(np.diff(steps, prepend=np.int16(0)).astype("<i2"))


def packed_clock(timeline: Timeline) -> str | None:
    """Pack frame times as differences of int32 tenths of milliseconds; None at a constant rate."""
    if timeline.is_regular:
        return None
    ticks = np.rint(np.nan_to_num(timeline.timecodes) * 10_000).astype(np.int64)
    return packed(np.diff(ticks, prepend=0).astype("<i4"))


def envelope(samples: NDArray[np.float32], sample_rate: int) -> dict[str, Any]:
    """Pack the lowest and highest sample of each bucket as int8, scaled to the loudest.

    Returns:
        `step`: seconds a bucket. `peak`: largest absolute sample. `low`, `high`: packed, -127 to 127.
    """
    bucket = max(round(BUCKET_SEC * sample_rate), -(-len(samples) // MAX_BUCKETS), 1)
    whole = len(samples) // bucket * bucket
    low, high = (np.zeros(0, np.float32),) * 2
    if whole:
        table = samples[:whole].reshape(-1, bucket)
        low, high = table.min(axis=1), table.max(axis=1)
    peak = max(float(np.abs(low).max(initial=0)), float(np.abs(high).max(initial=0)))
    scaled = [np.rint(side / (peak or 1.0) * 127).astype(np.int8) for side in (low, high)]
    return {"step": bucket / sample_rate, "peak": peak, "low": packed(scaled[0]), "high": packed(scaled[1])}


def packed_text(text: str) -> str:
    """Compress a text for the browser."""
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode("ascii")


def packed(values: NDArray[Any]) -> str:
    """Compress for the browser: deflate, then base64."""
    return base64.b64encode(zlib.compress(values.tobytes(), 9)).decode("ascii")

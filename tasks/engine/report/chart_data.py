"""What the page draws, as small as it can be sent: runs of frames, and long series packed for the browser."""

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.engine.core.constants import STRETCH_SEC
from tasks.engine.core.frames import FrameGrid
from tasks.engine.core.timeline import Timeline

STRETCHES = 8
"""Places listed on the page."""

MAX_BUCKETS = 1 << 19
BUCKET_SEC = 0.01
"""The waveform is the lowest and highest sample of each bucket: 10 ms, longer where the recording is long."""

SCORE_STEPS = 10_000


@dataclass(frozen=True, slots=True)
class Place:
    """A stretch of frames worth looking at, counted from 1; flipped: how many of them differ."""

    first: int
    last: int
    start_sec: float
    end_sec: float
    flipped: int


def runs(active: NDArray[np.bool_]) -> list[list[int]]:
    """[first, stop) of each run of true values, counted from 0."""
    edges: list[list[int]] = np.flatnonzero(np.diff(active, prepend=False, append=False)).reshape(-1, 2).tolist()
    return edges


def lanes(reference: Timeline | None, candidate: Timeline, mapping: Mapping[str, str]) -> list[dict[str, Any]]:
    """One lane per speaker: names and runs of either side, paired as the comparison paired them."""
    names, active = candidate.voices()
    own = {name: runs(active[:, column]) for column, name in enumerate(names)}
    names, active = reference.voices() if reference else ((), np.zeros((0, 0), bool))
    trusted = {name: runs(active[:, column]) for column, name in enumerate(names)}
    found = [
        {"reference": name, "candidate": mapping.get(name), "r": spans, "c": own.get(mapping.get(name, ""), [])}
        for name, spans in trusted.items()
    ]
    alone = [name for name in own if name not in mapping.values()]
    return found + [{"reference": None, "candidate": name, "r": [], "c": own[name]} for name in alone]


def differences(reference: Timeline, candidate: Timeline, mapping: Mapping[str, str]) -> tuple[NDArray[np.bool_], ...]:
    """(n,) frames that differ in speech, and (n,) frames that agree on it and differ in who speaks."""
    flips = reference.speech != candidate.speech
    names, active = reference.voices()
    others, other_active = candidate.voices()
    unlike = np.zeros(len(flips), bool)
    for column, name in enumerate(names):
        partner = mapping.get(name)
        unlike |= active[:, column] != (other_active[:, others.index(partner)] if partner in others else False)
    for column, name in enumerate(others):
        if name not in mapping.values():
            unlike |= other_active[:, column]
    return flips, unlike & ~flips


def worst_places(differing: NDArray[np.bool_], clock: Timeline) -> list[Place]:
    """The 30 s windows with most differing frames, worst first, none overlapping another."""
    width = min(max(round(STRETCH_SEC * clock.fps), 1), len(differing))
    left, places = differing.astype(np.int64), []
    for _ in range(STRETCHES if width else 0):
        total = np.append(0, np.cumsum(left))
        inside = total[width:] - total[:-width]
        first = int(np.argmax(inside))
        if not inside[first]:
            break
        spot = slice(first, first + width)
        ends = clock.frame_ends()
        start, end = float(clock.timecodes[first]), float(ends[first + width - 1])
        places.append(Place(first + 1, first + width, start, end, int(left[spot].sum())))
        left[spot] = 0
    return places


def packed_scores(scores: NDArray[np.float32] | None) -> str | None:
    """Scores in ten-thousandths, as little-endian int16 differences."""
    if scores is None:
        return None
    steps = np.rint(np.clip(np.nan_to_num(scores), 0, 1) * SCORE_STEPS).astype(np.int16)
    return packed(np.diff(steps, prepend=np.int16(0)).astype("<i2"))


def packed_clock(timeline: Timeline) -> str | None:
    """Frame times in tenths of milliseconds, as int32 differences; None at a constant rate."""
    regular = FrameGrid(timeline.frames, timeline.fps).times()
    if np.allclose(timeline.timecodes, regular, rtol=0, atol=1e-3):
        return None
    ticks = np.rint(np.nan_to_num(timeline.timecodes) * 10_000).astype(np.int64)
    return packed(np.diff(ticks, prepend=0).astype("<i4"))


def envelope(samples: NDArray[np.float32], sample_rate: int) -> dict[str, Any]:
    """Lowest and highest sample of each bucket, scaled to the loudest, as int8."""
    bucket = max(round(BUCKET_SEC * sample_rate), -(-len(samples) // MAX_BUCKETS), 1)
    whole = len(samples) // bucket * bucket
    low, high = (np.zeros(0, np.float32),) * 2
    if whole:
        table = samples[:whole].reshape(-1, bucket)
        low, high = table.min(axis=1), table.max(axis=1)
    peak = max(float(np.abs(low).max(initial=0)), float(np.abs(high).max(initial=0)))
    scaled = [np.rint(side / (peak or 1.0) * 127).astype(np.int8) for side in (low, high)]
    return {"step": bucket / sample_rate, "peak": peak, "low": packed(scaled[0]), "high": packed(scaled[1])}


def packed(values: NDArray[Any]) -> str:
    """Bytes for the browser: deflate, then base64."""
    return base64.b64encode(zlib.compress(values.tobytes(), 9)).decode("ascii")

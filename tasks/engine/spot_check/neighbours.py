"""Windows held against their neighbours, for nothing: ten windows saw the same second."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.engine.inference.recomputation import Layout
from tasks.engine.inference.window_outputs import WindowOutputs
from tasks.engine.inference.windows import STOCK_THRESHOLD

JOINT = 0.5
"""Of the frames in which the rarer of two local speakers is active: from there on both are taken for one person."""

WEIGHED = 0.02
"""Of a window's frames, alone: 0.2 s, of which some surely weigh in the embedding network's own, 80 ms long at most."""

TOGETHER = 256
"""Windows whose voices are compared at a time: more would take memory."""

SHIFTS = (-2, -1, 1, 2)
"""Windows by which a window may have been moved."""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """How far each window lies from its neighbours.

    Attributes:
        speech: (windows,) mean absolute difference of a window's speech probability from the mean of the others that
            see the same frames, 0 to 1; 0 where there are no others.
        activity: (windows,) likewise of the number of speakers.
        moved: (windows,) by how much less its speech probability would differ if it lay a window or two to the side, 0
            to 1: what stands at another window's place fits there.
        decided: (windows,) share of its frames in which its decisions and its own speech probability, at one half, do
            not say the same of whether anybody speaks.
        voices: (windows,) cosine distance of its embeddings from those of the same person in the windows that overlap
            it, their median, the worst speaker; 0 where nobody is heard well enough on both sides.
    """

    speech: NDArray[np.float64]
    activity: NDArray[np.float64]
    moved: NDArray[np.float64]
    decided: NDArray[np.float64]
    voices: NDArray[np.float64]


def disagreement(outputs: WindowOutputs, layout: Layout) -> Disagreement:
    """Measure every window against its neighbours."""
    firsts = first_frames(layout)
    voices = outputs.decisions.sum(axis=2, dtype=np.uint8)
    there = from_others(outputs.speech, firsts)
    step = round(layout.windows.step / layout.frames.step)
    beside = [from_others(outputs.speech, firsts, shift * step) for shift in SHIFTS]
    return Disagreement(
        speech=there,
        activity=from_others(voices, firsts),
        moved=np.maximum(there - np.min(beside, axis=0), 0),
        decided=((voices > 0) != (outputs.speech >= STOCK_THRESHOLD)).mean(axis=1),
        voices=from_the_same_voice(outputs, firsts),
    )


def first_frames(layout: Layout) -> NDArray[np.int64]:
    """Return each window's first frame on the file's grid, as pyannote aggregates it."""
    half = 0.5 * layout.frames.duration
    starts = (layout.windows[i].start for i in range(layout.count))
    return np.array([layout.frames.closest_frame(start + half) for start in starts], np.int64)


def from_others(values: NDArray[np.generic], firsts: NDArray[np.int64], shift: int = 0) -> NDArray[np.float64]:
    """Measure each window against the mean of the others.

    Args:
        values: (windows, frames).
        firsts: (windows,) each one's first frame in the file.
        shift: frames by which to move the one that is measured.

    Returns:
        (windows,) mean absolute difference over the frames that others see; 0 where they see none, and infinite where
        moving it leaves it less than half of its frames.
    """
    width, least = values.shape[1], values.shape[1] // 2
    total, seen = np.zeros((2, int(firsts[-1]) + width))
    for first, own in zip(firsts, values, strict=True):
        total[first : first + width] += own
        seen[first : first + width] += 1
    apart = np.zeros(len(values))
    for i, (first, own) in enumerate(zip(firsts, values, strict=True)):
        total[first : first + width] -= own
        seen[first : first + width] -= 1
        start, stop = max(0, first + shift), min(len(total), first + shift + width)
        others, moved = seen[start:stop], own[start - first - shift : stop - first - shift]
        shared = others > 0
        if shared.sum() >= (least if shift else 1):
            apart[i] = np.abs(moved[shared] - total[start:stop][shared] / others[shared]).mean()
        elif shift:
            apart[i] = np.inf
        total[first : first + width] += own
        seen[first : first + width] += 1
    return apart


def from_the_same_voice(outputs: WindowOutputs, firsts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Measure each window's embeddings against those of the same person in all windows that overlap it.

    The median over those windows: a batch of wrong ones in a row is still in the minority around each.

    Returns:
        (windows,) cosine distance of the worst speaker; 0 where nobody is heard well enough on both sides.
    """
    windows, speakers, dimension = outputs.embeddings.shape
    if not dimension:
        return np.zeros(windows)
    reach = int(np.searchsorted(firsts - firsts[0], outputs.decisions.shape[1]))  # windows that see a first frame
    heard = outputs.heard
    around = np.full((windows, speakers, 2, reach, speakers), np.nan, np.float32)
    for first in range(0, windows, TOGETHER):
        ours = np.arange(first, min(first + TOGETHER, windows))
        for later in range(1, reach):
            ones = ours[ours + later < windows]
            found = same_voice(outputs, heard, ones, ones + later, firsts[ones + later] - firsts[ones])
            around[ones, :, 0, later] = found
            around[ones + later, :, 1, later] = found.transpose(0, 2, 1)
    distances = around.reshape(windows, speakers, -1)
    known = heard & np.isfinite(distances).any(axis=2)
    apart = np.zeros((windows, speakers))
    apart[known] = np.nanmedian(distances[known], axis=1)
    return np.asarray(apart.max(axis=1))


def same_voice(
    outputs: WindowOutputs,
    heard: NDArray[np.bool_],
    ones: NDArray[np.int64],
    others: NDArray[np.int64],
    shifts: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Measure pairs of windows whose local speakers are the same person, since they talk at the same time.

    Args:
        outputs: of every window.
        heard: (windows, speakers), who is heard well.
        ones: (pairs,) places of windows.
        others: (pairs,) of later ones.
        shifts: (pairs,) by how many frames.

    Returns:
        (pairs, speakers, speakers) cosine distance of their embeddings; NaN where they are not the same, are not heard
        well, or the windows do not overlap.
    """
    frames, speakers = outputs.decisions.shape[1:]
    distances = np.full((len(ones), speakers, speakers), np.nan, np.float32)
    for shift in np.unique(shifts[shifts < frames]):
        pairs = np.flatnonzero(shifts == shift)
        one, other = ones[pairs], others[pairs]
        active, then = (
            outputs.decisions[one, shift:].astype(np.float32),
            outputs.decisions[other, : frames - shift].astype(np.float32),
        )
        rarer = np.minimum(active.sum(axis=1)[:, :, None], then.sum(axis=1)[:, None])
        same = (active.transpose(0, 2, 1) @ then > JOINT * rarer) & (rarer > 0)
        same &= heard[one][:, :, None] & heard[other][:, None]
        vectors, ends = (outputs.embeddings[places] for places in (one, other))
        vectors, ends = (
            side / np.maximum(np.linalg.norm(side, axis=2, keepdims=True), 1e-12) for side in (vectors, ends)
        )
        distances[pairs] = np.where(same, 1 - vectors @ ends.transpose(0, 2, 1), np.nan)
    return distances


def repeated(outputs: WindowOutputs, starts: NDArray[np.int64], samples: NDArray[np.float32], length: int) -> list[int]:
    """Find windows whose outputs are another's, bit for bit, though they heard something else: a stale buffer.

    Args:
        outputs: of every window.
        starts: (windows,) first sample of each.
        samples: (samples,) of the file.
        length: of a window, in samples.

    Returns:
        Places in the file, ascending. Windows in which nobody speaks are left out: silence is like silence. So are
        embeddings of whoever hardly speaks alone: a mask that weighs no frame gives the same bits for any sound.
    """
    first_with: dict[bytes, int] = {}
    found = []
    alone = outputs.decisions * (outputs.decisions.sum(axis=2, keepdims=True) == 1)
    heard = alone.mean(axis=1) >= WEIGHED
    for i in np.flatnonzero(outputs.talking.any(axis=1)).tolist():
        keys = [outputs.speech[i].tobytes(), *(outputs.embeddings[i, s].tobytes() for s in np.flatnonzero(heard[i]))]
        earlier = [first_with.setdefault(key, i) for key in keys if key]
        if any(j != i and not same_sound(samples, starts[i], starts[j], length) for j in earlier):
            found.append(i)
    return found


def same_sound(samples: NDArray[np.float32], one: int, two: int, length: int) -> bool:
    """Tell whether two windows heard the same samples: music on hold repeats itself."""
    return np.array_equal(samples[one : one + length], samples[two : two + length])

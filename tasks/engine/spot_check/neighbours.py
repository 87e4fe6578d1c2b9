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
    apart = np.zeros((windows, speakers))
    if not dimension:
        return np.zeros(windows)
    vectors = outputs.embeddings / np.maximum(np.linalg.norm(outputs.embeddings, axis=2, keepdims=True), 1e-12)
    active, heard = outputs.decisions.astype(np.float32), outputs.heard
    around: list[list[list[float]]] = [[[] for _ in range(speakers)] for _ in range(windows)]
    for i in range(windows):
        for j in range(i + 1, windows):
            shift = int(firsts[j] - firsts[i])
            if shift >= active.shape[1]:
                break
            for one, two in same_person(active[i, shift:], active[j, : active.shape[1] - shift], heard[i], heard[j]):
                distance = 1 - float(vectors[i, one] @ vectors[j, two])
                around[i][one].append(distance)
                around[j][two].append(distance)
    for i, j in np.argwhere(heard):
        apart[i, j] = np.median(around[i][j]) if around[i][j] else 0
    return np.asarray(apart.max(axis=1))


def same_person(
    one: NDArray[np.float32], two: NDArray[np.float32], heard_one: NDArray[np.bool_], heard_two: NDArray[np.bool_]
) -> list[tuple[int, int]]:
    """Pair the local speakers of two windows who talk at the same time, in the (frames, speakers) that both see."""
    rarer = np.minimum(one.sum(axis=0)[:, None], two.sum(axis=0))
    same = (one.T @ two > JOINT * rarer) & (rarer > 0) & heard_one[:, None] & heard_two
    return [(int(i), int(j)) for i, j in np.argwhere(same)]


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

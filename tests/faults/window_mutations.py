"""What can become of the networks' outputs, window by window."""

from typing import Any

import numpy as np
import torch
from replay import Reference, Run
from striking import Array
from torch.nn import functional
from trial import Size

from tasks.engine.core.stages import Stage

RNG = np.random.Generator


def dropped(values: Array, windows: int, _rng: RNG) -> Array:
    """Windows from the middle on move up; the last ones are what the networks gave for them."""
    middle = len(values) // 2
    return np.concatenate([values[:middle], values[middle + windows :]])


def forgotten(values: Array, windows: int, _rng: RNG) -> Array:
    """Windows that nobody wrote: zeros, which decode as nobody speaking."""
    middle = len(values) // 2
    values[middle : middle + windows] = 0
    return values


def repeated(values: Array, windows: int, _rng: RNG) -> Array:
    """A window stands in for those behind it."""
    middle = len(values) // 2
    values[middle : middle + windows + 1] = values[middle]
    return values


def disordered(values: Array, how: str, rng: RNG) -> Array:
    """Windows in the wrong order."""
    order = np.arange(len(values))
    if how == "two neighbours":
        order[[5, 6]] = order[[6, 5]]
    return values[{"backwards": order[::-1], "shuffled": rng.permutation(order)}.get(how, order)]


def first_of_batch(values: Array, batch: int, _rng: RNG) -> Array:
    """Every item of a batch is its first one."""
    return values[np.arange(len(values)) // batch * batch]


def last_batch(values: Array, batch: int, rng: RNG) -> Array:
    """A partial last batch took another algorithm, a wrong one: noise instead of its scores."""
    rest = len(values) % batch or batch
    noise = torch.from_numpy(rng.normal(scale=4, size=values[-rest:].shape).astype(np.float32))
    values[-rest:] = functional.log_softmax(noise, dim=-1).numpy()
    return values


def model_frames_late(values: Array, frames: int, _rng: RNG) -> Array:
    """Every window's scores some model frames (17 ms each) late."""
    return np.roll(values, frames, axis=1)


def sharpened(values: Array, factor: float, _rng: RNG) -> Array:
    """Scores away from their place without another decision: the same argmax, another temperature."""
    return functional.log_softmax(torch.from_numpy(values) * factor, dim=-1).numpy()


def not_finite(value: float) -> Any:
    """Make windows NaN or infinite."""

    def change(values: Array, windows: int, _rng: RNG) -> Array:
        values[3 : 3 + windows] = value
        return values

    return change


def noisy(values: Array, scale: float, rng: RNG) -> Array:
    """Rounding noise, relative to the values' own spread."""
    noise: Array = values + rng.normal(scale=scale * values.std(), size=values.shape).astype(np.float32)
    return noise.astype(np.float32)


def silenced(values: Array, windows: int, _rng: RNG) -> Array:
    """Decisions of some windows decoded as nobody."""
    values[4 : 4 + windows] = 0
    return values


def alone(values: Array, windows: int, _rng: RNG) -> Array:
    """Overlapping speech decoded as one speaker, in some windows."""
    values[:windows] *= np.cumsum(values[:windows], axis=2) <= 1
    return values


def exchanged(values: Array, windows: int, _rng: RNG) -> Array:
    """The speakers of a window hold each other's embeddings, in evenly spread windows."""
    spread = np.linspace(0, len(values) - 1, windows).astype(int)
    values[spread] = values[spread][:, ::-1]
    return values


def missing(values: Array, windows: int, _rng: RNG) -> Array:
    """Windows left out altogether: fewer of them, those behind move up."""
    return np.delete(values, np.arange(windows) + 3, axis=0)


def neighbours(values: Array, windows: int, _rng: RNG) -> Array:
    """Embeddings of a window so many places further."""
    return np.roll(values, windows, axis=0)


def same_for_all(values: Array, share: float, _rng: RNG) -> Array:
    """Embeddings drawn towards their mean: the speakers grow alike."""
    return (values * (1 - share) + values.mean(axis=(0, 1)) * share).astype(np.float32)


def broken_batch(reference: Reference, size: Size, _rng: RNG) -> Run:
    """Whole batches of scores are NaN."""
    scores = reference.output(Stage.SCORES)
    scores[: 4 * int(size)] = np.nan
    return reference.replay({Stage.SCORES: scores})

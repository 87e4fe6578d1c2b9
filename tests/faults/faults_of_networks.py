"""Faults of arithmetic and of what the networks gave, window by window."""

from typing import Any

import numpy as np
import torch
from replay import Reference, Run
from striking import Array, arithmetic, layer, output_of, rounded, rounded_everywhere
from torch import Tensor, nn
from torch.nn import functional
from trial import Fault, Size

from tasks.engine.recording import QUIET
from tasks.engine.stages import Stage

SILENCE_CLASS = 0
NAIVE: dict[str, Any] = {"precision": "naive", "level": "none"}
FRONT_TO_SCORES = (Stage.FRONT_END, Stage.SCORES, Stage.EMBEDDINGS)
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


def coarse(values: Array, bits: int, _rng: RNG) -> Array:
    """Mantissas rounded to so many bits."""
    return rounded(torch.from_numpy(values), bits).numpy()


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
    chosen = np.linspace(0, len(values) - 1, windows).astype(int)
    values[chosen] = values[chosen][:, ::-1]
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


def half_pooling(guard: float) -> Any:
    """Weighted mean and deviation in float16: sums round and overflow, and a guard of 1e-8 is zero."""

    def hook(_pool: nn.Module, inputs: tuple[Tensor], named: dict[str, Tensor], _output: Tensor) -> Tensor:
        frames, weights = inputs[0].half()[:, None], named["weights"].half()
        weights = functional.interpolate(weights, size=frames.shape[-1], mode="nearest")[:, :, None]
        total = weights.sum(-1) + torch.tensor(guard).half()
        mean = (frames * weights).sum(-1) / total
        spread = ((frames - mean[..., None]).square() * weights).sum(-1) / total
        return torch.cat([mean, spread.sqrt()], dim=-1).float()

    return hook


def broken_pooling(value: float) -> Any:
    """The pooling of one window gives NaN or Inf."""

    def make(window: int) -> Any:
        seen = [-1]  # the first call is for the speaker who says nothing

        def hook(_pool: nn.Module, _inputs: Any, _named: Any, output: Tensor) -> Tensor:
            row = window - seen[0]
            if seen[0] >= 0 and 0 <= row < len(output):
                output[row] = value
            seen[0] += len(output) if seen[0] >= 0 else 1
            return output

        return hook

    return make


def pool_of(pipeline: Any) -> nn.Module:
    """The statistics pooling of the embedding network."""
    return pipeline._embedding.model_.resnet.pool


def broken_batch(reference: Reference, size: Size, _rng: RNG) -> Run:
    """Whole batches of scores are NaN."""
    scores = reference.output(Stage.SCORES)
    scores[: 4 * int(size)] = np.nan
    return reference.replay({Stage.SCORES: scores})


SCORES, DECISIONS, EMBEDDINGS = Stage.SCORES, Stage.DECISIONS, Stage.EMBEDDINGS
NOT_FINITE = "not finite in window 3"

ARITHMETIC = (
    Fault(
        "everything in FP16, no level rule",
        Stage.SAMPLES,
        ("-40 dB", "-80 dB"),
        arithmetic({"-40 dB": NAIVE, "-80 dB": NAIVE}, gains={"-40 dB": 1e-2, "-80 dB": QUIET}),
        clip="piece",
        says="not finite in window",
        stages=(Stage.SAMPLES, *FRONT_TO_SCORES),
    ),
    Fault(
        "everything in BF16",
        Stage.FRONT_END,
        ("trunks only", "everything"),
        arithmetic(
            {
                "trunks only": {"precision": "mixed", "half": "bfloat16"},
                "everything": {"precision": "naive", "half": "bfloat16"},
            }
        ),
        clip="piece",
        stages=FRONT_TO_SCORES,
    ),
    Fault(
        "mantissas rounded in every layer (TF32: 10 bits)",
        Stage.FRONT_END,
        (10, 5, 3),
        rounded_everywhere,
        clip="piece",
        stages=FRONT_TO_SCORES,
    ),
    Fault("mantissa of the front end's output", Stage.FRONT_END, (10, 4, 0), output_of(Stage.FRONT_END, coarse)),
    Fault("mantissa of the embeddings", EMBEDDINGS, (10, 4), output_of(EMBEDDINGS, coarse), harmless=True),
    Fault("FP16 pooling, guard kept above zero", EMBEDDINGS, (1e-3,), layer(pool_of, half_pooling), clip="piece", harmless=True),
    Fault("FP16 pooling, guard of 1e-8", EMBEDDINGS, (1e-8,), layer(pool_of, half_pooling), clip="piece", says="not finite"),
)  # fmt: skip

WINDOWS = (
    Fault("noise on the front end's output", Stage.FRONT_END, (1e-6, 1e-3, 1.0), output_of(Stage.FRONT_END, noisy)),
    Fault("dropped window", SCORES, (1, 3), output_of(SCORES, dropped)),
    Fault("window of zeros", SCORES, (1, 4, 11), output_of(SCORES, forgotten)),
    Fault("repeated window", SCORES, (1, 3, 8), output_of(SCORES, repeated)),
    Fault("windows in the wrong order", SCORES, ("two neighbours", "backwards", "shuffled"), output_of(SCORES, disordered)),
    Fault("only the first of a batch right", SCORES, (2, 4, 7), output_of(SCORES, first_of_batch)),
    Fault("last partial batch wrong", SCORES, (2, 4, 8), output_of(SCORES, last_batch)),
    Fault("scores some model frames late", SCORES, (1, 2, 6), output_of(SCORES, model_frames_late)),
    Fault("score offset, no decision flipped", SCORES, (1.0001, 1.05, 0.7), output_of(SCORES, sharpened)),
    Fault("NaN windows of scores", SCORES, (1, 2), output_of(SCORES, not_finite(np.nan)), says=f"{SCORES}.*{NOT_FINITE}"),
    Fault("infinite window of scores", SCORES, (1,), output_of(SCORES, not_finite(np.inf)), says=f"{SCORES}.*{NOT_FINITE}"),
    Fault("NaN batches of scores", SCORES, (1, 2, 6), broken_batch, says=f"{SCORES} are not finite in window 0"),
    Fault("windows decoded as nobody", DECISIONS, (1, 6), output_of(DECISIONS, silenced)),
    Fault("every window of zeros", SCORES, ("all",), output_of(SCORES, lambda values, _size, _rng: 0 * values)),
    Fault("windows missing from the decisions", DECISIONS, (1, 5), output_of(DECISIONS, missing)),
    Fault("overlap decoded as one speaker", DECISIONS, (2, 21), output_of(DECISIONS, alone)),
    Fault("noise on embeddings", EMBEDDINGS, (1e-6, 1e-2, 10.0), output_of(EMBEDDINGS, noisy)),
    Fault("embeddings exchanged within windows", EMBEDDINGS, (1, 10), output_of(EMBEDDINGS, exchanged)),
    Fault("embeddings of another window", EMBEDDINGS, (1, 8), output_of(EMBEDDINGS, neighbours)),
    Fault("only the first embedding of a batch right", EMBEDDINGS, (4, 21), output_of(EMBEDDINGS, first_of_batch)),
    Fault("embeddings drawn to their mean", EMBEDDINGS, (0.01, 0.999), output_of(EMBEDDINGS, same_for_all)),
    Fault("NaN from the pooling of window", EMBEDDINGS, (0, 5), layer(pool_of, broken_pooling(np.nan)), clip="piece", says="not finite in window"),
    Fault("NaN from the pooling behind a pause", EMBEDDINGS, (6,), layer(pool_of, broken_pooling(np.nan)), clip="paused", says="not finite in window 11"),
    Fault("Inf from the pooling of window", EMBEDDINGS, (0, 5), layer(pool_of, broken_pooling(np.inf)), clip="piece", says="not finite in window"),
    Fault("NaN embeddings handed on", EMBEDDINGS, (1, 4, 18), output_of(EMBEDDINGS, not_finite(np.nan)), says=f"{EMBEDDINGS}.*{NOT_FINITE}"),
    Fault("infinite embeddings handed on", EMBEDDINGS, (1, 18), output_of(EMBEDDINGS, not_finite(np.inf)), says=f"{EMBEDDINGS}.*{NOT_FINITE}"),
    Fault("NaN windows of the front end", Stage.FRONT_END, (1,), output_of(Stage.FRONT_END, not_finite(np.nan)), says=f"{Stage.FRONT_END}.*{NOT_FINITE}"),
    Fault("infinite window of the front end", Stage.FRONT_END, (1,), output_of(Stage.FRONT_END, not_finite(np.inf)), says=f"{Stage.FRONT_END}.*{NOT_FINITE}"),
)  # fmt: skip

"""Faults of arithmetic: real runs in other types, and layers that lose bits or break."""

from typing import Any

import numpy as np
import torch
from striking import Array, arithmetic, layer, output_of, rounded, rounded_everywhere
from torch import Tensor, nn
from torch.nn import functional
from trial import Fault

from tasks.engine.core.stages import Stage
from tasks.engine.media.sample import QUIET

NAIVE: dict[str, Any] = {"precision": "naive", "level": "none"}
FRONT_TO_SCORES = (Stage.FRONT_END, Stage.SCORES, Stage.EMBEDDINGS)


def coarse(values: Array, bits: int, _rng: np.random.Generator) -> Array:
    """Mantissas rounded to so many bits."""
    return rounded(torch.from_numpy(values), bits).numpy()


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
        seen = [0]

        def hook(_pool: nn.Module, _inputs: Any, named: Any, output: Tensor) -> Tensor:
            if not named["weights"].any():
                return output  # that of the speaker who says nothing
            if 0 <= (row := window - seen[0]) < len(output):
                output[row] = value
            seen[0] += len(output)
            return output

        return hook

    return make


def pool_of(pipeline: Any) -> nn.Module:
    """The statistics pooling of the embedding network."""
    return pipeline.embedding_network.resnet.pool


EMBEDDINGS = Stage.EMBEDDINGS
BROKEN = "not finite in window"

ARITHMETIC = (
    Fault(
        "everything in FP16, no level rule",
        Stage.SAMPLES,
        ("-40 dB", "-80 dB"),
        arithmetic({"-40 dB": NAIVE, "-80 dB": NAIVE}, gains={"-40 dB": 1e-2, "-80 dB": QUIET}),
        clip="short piece",
        says="not finite in window",
        stages=(Stage.SAMPLES, *FRONT_TO_SCORES),
    ),
    Fault(
        "everything in BF16",
        Stage.FRONT_END,
        ("embeddings only", "everything"),
        arithmetic(
            {
                "embeddings only": {"precision": "mixed", "autocast_dtype": "bfloat16"},
                "everything": {"precision": "naive", "autocast_dtype": "bfloat16"},
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
    Fault(
        "FP16 pooling, guard kept above zero",
        EMBEDDINGS,
        (1e-3,),
        layer(pool_of, half_pooling),
        clip="piece",
        harmless=True,
    ),
    Fault(
        "FP16 pooling, guard of 1e-8",
        EMBEDDINGS,
        (1e-8,),
        layer(pool_of, half_pooling),
        clip="piece",
        says="not finite",
    ),
    Fault(
        "NaN from pooling, window",
        EMBEDDINGS,
        (0, 5),
        layer(pool_of, broken_pooling(np.nan)),
        clip="piece",
        says=BROKEN,
    ),
    Fault(
        "Inf from pooling, window",
        EMBEDDINGS,
        (0, 5),
        layer(pool_of, broken_pooling(np.inf)),
        clip="piece",
        says=BROKEN,
    ),
    # The seventh window with speech is window 11 of the file.
    Fault(
        "NaN from pooling behind a pause, busy window",
        EMBEDDINGS,
        (6,),
        layer(pool_of, broken_pooling(np.nan)),
        clip="paused",
        says=f"{BROKEN} 11",
    ),
)

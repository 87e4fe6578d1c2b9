"""Ways to strike: at a stage's output, at what was heard, at the arithmetic, at a layer, at the finished timeline."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from replay import PARAMETERS, Reference, Run, Samples, plan_of
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from trial import Mutation, Size

from tasks.engine.core.stages import Stage, Value
from tasks.engine.core.timeline import Timeline
from tasks.engine.inference.diarizer import pipeline_for
from tasks.engine.models.fused_layers import Convolution

Array = NDArray[Any]
Hook = Callable[..., Any]


def output_of(stage: Stage, change: Callable[[Value, Any, np.random.Generator], Value]) -> Mutation:
    """Put a changed copy of a stage's output in its place; everything behind it follows."""

    def mutate(reference: Reference, size: Size, rng: np.random.Generator) -> Run:
        return reference.replay({stage: change(reference.output(stage), size, rng)})

    return mutate


def sound(change: Callable[[Samples, Any, np.random.Generator], Samples]) -> Mutation:
    """The candidate hears other samples than the reference."""

    def mutate(reference: Reference, size: Size, rng: np.random.Generator) -> Run:
        return reference.hear(change(reference.samples.copy(), size, rng).astype(np.float32))

    return mutate


def table(change: Callable[[Timeline, Any, np.random.Generator], Timeline]) -> Mutation:
    """Every stage agrees, and the table of frames is wrong."""

    def mutate(reference: Reference, size: Size, rng: np.random.Generator) -> Run:
        return replace(reference.run, timeline=change(reference.timeline, size, rng))

    return mutate


def arithmetic(plans: Mapping[Size, Mapping[str, Any]], *, gains: Mapping[Size, float] | None = None) -> Mutation:
    """A real run under another plan, on the samples at another level where `gains` says so."""

    def mutate(reference: Reference, size: Size, _rng: np.random.Generator) -> Run:
        gain = np.float32((gains or {}).get(size, 1.0))
        return reference.compute(reference.samples * gain, plan_of(**plans[size]))

    return mutate


def layer(find: Callable[[Any], nn.Module], hook: Callable[[Any], Hook]) -> Mutation:
    """A real run in which a layer of the FP32 pipeline gives something else.

    hook: makes, for a size, a forward hook that takes (module, positional, named, output).
    """

    def mutate(reference: Reference, size: Size, _rng: np.random.Generator) -> Run:
        pipeline, _ = pipeline_for(PARAMETERS.models, "cpu", "fp32", "exact")
        with removed(find(pipeline).register_forward_hook(hook(size), with_kwargs=True)):
            return reference.compute(reference.samples, plan_of())

    return mutate


@contextmanager
def removed(handle: RemovableHandle) -> Iterator[None]:
    """Remove a hook at the end of the block."""
    try:
        yield
    finally:
        handle.remove()


def rounded(values: Tensor, bits: int) -> Tensor:
    """Float32 with the mantissa rounded to so many bits: TF32 has 10, BF16 has 7."""
    dropped = 23 - bits
    whole = values.detach().contiguous().view(torch.int32)
    return ((whole + (1 << (dropped - 1))) & ~((1 << dropped) - 1)).view(torch.float32)


def rounded_everywhere(reference: Reference, bits: Size, _rng: np.random.Generator) -> Run:
    """TF32 emulated: inputs and weights of every convolution, product and LSTM of both networks lose mantissa bits."""
    pipeline, _ = pipeline_for(PARAMETERS.models, "cpu", "fp32", "exact")

    def lose(_module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(rounded(value, int(bits)) if isinstance(value, Tensor) else value for value in inputs)

    with ExitStack() as stack, torch.no_grad():
        # The fused encoder has weights of its own, made from the embedding network's.
        fused = pipeline.frame_encoder.fused(torch.float32)
        networks = (pipeline.segmentation_network, pipeline.embedding_network, fused)
        for model in networks:
            for module in model.modules():
                if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear | nn.LSTM | Convolution):
                    stack.enter_context(removed(module.register_forward_pre_hook(lose)))
                    stack.enter_context(rounded_weights(module, int(bits)))
        return reference.compute(reference.samples, plan_of())


@contextmanager
def rounded_weights(module: nn.Module, bits: int) -> Iterator[None]:
    """A layer's parameters with fewer mantissa bits in this block."""
    kept = {name: value.detach().clone() for name, value in module.named_parameters(recurse=False)}
    for value in module.parameters(recurse=False):
        value.data.copy_(rounded(value, bits))
    try:
        yield
    finally:
        for name, value in module.named_parameters(recurse=False):
            value.data.copy_(kept[name])

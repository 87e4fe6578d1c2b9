"""FP16 of the embeddings as a GPU's tensor cores have it, at the speed of FP32: a CPU takes seconds a window for it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from replay import PARAMETERS
from torch import Tensor, nn

from tasks.engine.inference.diarizer import pipeline_for
from tasks.engine.models.frame_encoder import FrameEncoder

PRODUCTS = (nn.Conv1d, nn.Conv2d, nn.Linear)
"""What autocast computes in FP16; layers between them take and give FP16."""
ON_SEGMENTS = {"pool", "dense", "seg_1", "seg_bn_1", "seg_2"}
"""Layers behind the frames, of CAM++ and of ResNets: they stay in FP32."""


@contextmanager
def half_emulated() -> Iterator[None]:
    """Round to FP16 in the FP32 encoder in this block: inputs and weights of products, and what every layer gives."""
    pipeline, _ = pipeline_for(PARAMETERS.models, "cpu", "fp32", "exact")
    network = pipeline.frame_encoder.model.resnet
    encoder = [module for name, module in network.named_modules() if not ON_SEGMENTS.intersection(name.split("."))]
    products = [module for module in encoder if isinstance(module, PRODUCTS)]
    kept = {value: value.detach().clone() for module in products for value in module.parameters(recurse=False)}
    with ExitStack() as stack:
        stack.enter_context(patch.object(FrameEncoder, "_fused_dtype", lambda *_: None))
        for module in encoder:
            stack.callback(module.register_forward_hook(_round_output).remove)
        for module in products:
            stack.callback(module.register_forward_pre_hook(_round_inputs).remove)
        for value in kept:
            value.data.copy_(_rounded(value.data))
        try:
            yield
        finally:
            for value, before in kept.items():
                value.data.copy_(before)


def _rounded(value: Tensor) -> Tensor:
    return value.half().float()


def _round_inputs(_module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(map(_rounded, inputs))


def _round_output(_module: nn.Module, _inputs: tuple[Any, ...], output: Tensor) -> Tensor:
    return _rounded(output)

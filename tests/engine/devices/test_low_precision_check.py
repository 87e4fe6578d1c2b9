"""Sixteen bits on trial: layers whose output is not finite, or too far off, are named."""

from typing import Any

import pytest
import torch
from torch import nn

from tasks.engine.devices.low_precision_check import check_low_precision, disagreement


class Answering(nn.Module):
    """Ones in FP32; under autocast what a test says."""

    def __init__(self, rough: float) -> None:
        super().__init__()
        self.rough = rough

    def forward(self, x: torch.Tensor) -> Any:
        """Output and state, as an LSTM gives them."""
        return torch.full_like(x, self.rough if torch.is_autocast_enabled("cpu") else 1.0), None


@pytest.mark.parametrize(
    ("rough", "failure"),
    [
        (1.0, None),
        (1.04, None),
        (0.9, "is 10 % off FP32"),
        (float("nan"), "returned values that are not finite"),
        (float("inf"), "returned values that are not finite"),
    ],
)
def test_what_is_wrong_is_said_in_a_clause(rough: float, failure: str | None) -> None:
    """Up to 5 % of the largest value is rounding; NaN would be decoded as silence."""
    assert disagreement(Answering(rough), torch.ones(4), "cpu", torch.bfloat16) == failure


def test_a_layer_that_fails_is_a_reason() -> None:
    """No kernel for the type, or no memory: one clause, no exception."""

    class Failing(nn.Module):
        def forward(self, _: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("no\nkernel")

    assert disagreement(Failing(), torch.ones(4), "cpu", torch.float16) == "failed (no kernel)"


def test_a_device_that_does_not_answer_is_a_reason() -> None:
    """A device that torch does not have is told like one that is gone."""
    assert str(check_low_precision("cuda:99", "float16")).startswith("float16 could not be tried (")

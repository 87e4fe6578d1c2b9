"""Fused layers are the layers that they are made of, but for rounding."""

import pytest
import torch
from networks import trained
from torch import nn

from tasks.engine.models.fused_layers import Convolution, by_window, fuse


@pytest.mark.parametrize("around", ["before", "after", "both", "none"])
def test_a_fused_convolution_is_the_convolution_between_its_norms(around: str) -> None:
    """Norm and ReLU in front, norm behind, one of them or neither: equal within FP32's rounding."""
    torch.manual_seed(0)
    layer = nn.Conv1d(6, 4, 3, padding=2, dilation=2)
    before = trained(nn.BatchNorm1d(6)) if around in {"before", "both"} else None
    after = trained(nn.BatchNorm1d(4)) if around in {"after", "both"} else None
    x = torch.randn(2, 6, 50)
    with torch.inference_mode():
        expected = layer(before(x).relu()) if before else layer(x)
        expected = after(expected) if after else expected
        fused = Convolution(layer, before, after)(x[:, :, None])[:, :, 0]

    torch.testing.assert_close(fused, expected, rtol=1e-5, atol=1e-5)


def test_an_untrained_norm_is_refused() -> None:
    """Without running statistics a norm depends on the batch: there is nothing to fuse."""
    norm = nn.BatchNorm1d(4, track_running_stats=False)
    with pytest.raises(ValueError, match="cannot be fused"):
        fuse(torch.ones(4, 4, 1).double(), torch.zeros(4).double(), norm)


def test_windows_pass_one_at_a_time() -> None:
    """A batch's tensors would be too large for the memory that malloc keeps: each window is a batch of one."""
    seen: list[int] = []

    def layers(x: torch.Tensor) -> torch.Tensor:
        seen.append(len(x))
        return 2 * x

    batch = torch.randn(3, 1, 4, 5)

    assert torch.equal(by_window(layers, batch), 2 * batch)
    assert seen == [1, 1, 1]

"""CAM++ as pyannote expects a WeSpeaker network: shapes, pooling under masks, and the paper's mask."""

import pytest
import torch
from torch.nn import functional

from tasks.engine.models.campplus import CONTEXT_SEGMENT, DIMENSION, MEL_BINS, CampPlusNetwork, ContextAwareMask


@pytest.fixture(scope="module")
def network() -> CampPlusNetwork:
    """The architecture with random weights."""
    torch.manual_seed(0)
    return CampPlusNetwork().eval()


@pytest.mark.parametrize("frames", [1, 99, 100, 101, 250])
def test_frames_are_half_of_the_filter_banks(network: CampPlusNetwork, frames: int) -> None:
    """The first layer's stride is two, and `num_frames` says so for any length."""
    with torch.inference_mode():
        output = network.forward_frames(torch.randn(2, frames, MEL_BINS))

    assert output.shape == (2, 512, network.num_frames(frames))


def test_masks_of_several_speakers_are_pooled_together(network: CampPlusNetwork) -> None:
    """One pass with stacked masks gives what one pass per mask gives."""
    frames, masks = torch.randn(2, 512, 60), (torch.rand(2, 3, 80) > 0.5).float()
    with torch.inference_mode():
        together = network.forward_embedding(frames, weights=masks)[1]
        single = [network.forward_embedding(frames, weights=masks[:, i])[1] for i in range(3)]

    assert together.shape == (2, 3, DIMENSION)
    torch.testing.assert_close(together, torch.stack(single, dim=1))


def test_the_mask_is_made_of_each_segment_and_the_whole() -> None:
    """Context per segment of 100 frames plus that of all frames, the last segment shorter (paper, section 3.2)."""
    torch.manual_seed(0)
    layer, x = ContextAwareMask(8, 4, dilation=2).eval(), torch.randn(1, 8, 2 * CONTEXT_SEGMENT + 30)
    with torch.inference_mode():
        local, overall = layer.linear_local(x), x.mean(-1, keepdim=True)
        expected = torch.cat(
            [
                torch.sigmoid(layer.linear2(functional.relu(layer.linear1(piece.mean(-1, keepdim=True) + overall))))
                * local[..., i * CONTEXT_SEGMENT : (i + 1) * CONTEXT_SEGMENT]
                for i, piece in enumerate(x.split(CONTEXT_SEGMENT, dim=-1))
            ],
            dim=-1,
        )

        torch.testing.assert_close(layer(x), expected)

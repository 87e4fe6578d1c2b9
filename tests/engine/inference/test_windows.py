"""Windows on the samples, and what their scores mean."""

import numpy as np
import pytest
import torch
from pyannote.core import SlidingWindow, SlidingWindowFeature

from tasks.engine.core.errors import NonFiniteError
from tasks.engine.core.stages import Stage
from tasks.engine.inference.windows import (
    aggregate,
    cut_windows,
    nearest_instead,
    overrule,
    pad_to,
    pooling_masks,
    require_finite,
    speech_probability,
    window_starts,
)


def test_a_broken_window_behind_a_pause_is_named_by_its_place_in_the_file() -> None:
    """Idle windows are skipped: a batch's rows are not neighbours, and counting from its first would name another."""
    numbers, windows = [4, 10, 11], SlidingWindow(duration=10.0, step=1.0)
    rows = torch.tensor([[0.0], [np.nan], [0.0], [np.nan]])

    with pytest.raises(NonFiniteError, match=r"in window 10 \(10.0 s\)"):
        require_finite(rows, Stage.EMBEDDINGS, numbers, windows)
    require_finite(rows[[0, 2, 0, 1]], Stage.EMBEDDINGS, numbers, windows)  # the fourth row is padding


@pytest.mark.parametrize(
    ("samples", "expected"), [(1, [0]), (100, [0]), (110, [0, 10]), (111, [0, 10, 20]), (95, [0]), (120, [0, 10, 20])]
)
def test_windows_slide_as_in_pyannote(samples: int, expected: list[int]) -> None:
    """Whole windows, then one padded rest if anything is left; lengths of 100 in steps of 10."""
    assert window_starts(samples, 100, 10) == expected


def test_added_frames_go_to_the_nearest_speaker() -> None:
    """A frame that a low threshold adds is given to whoever speaks nearest in time."""
    active = np.array([[1, 0], [1, 0], [1, 0], [1, 0], [0, 1], [1, 0]])
    replaced = np.array([True, False, True, True, False, True])

    assert nearest_instead(active, replaced).tolist() == [[1, 0], [1, 0], [1, 0], [0, 1], [0, 1], [0, 1]]


def test_windows_are_the_same_samples_either_way() -> None:
    """Even or uneven starts: each row is its piece of the audio, amplified; beyond the end there is silence."""
    audio = torch.arange(1.0, 41.0)[None]
    for starts in ([0, 10, 20], [0, 5, 20], [30], [5, 15]):
        batch = cut_windows(audio, starts, 20, 3, gain=2.0)
        assert batch.shape == (3, 1, 20)
        for row, start in enumerate(starts):
            expected = torch.nn.functional.pad(2 * audio[0, start : start + 20], (0, max(0, start + 20 - 40)))
            assert torch.equal(batch[row, 0], expected)


@pytest.mark.parametrize(
    ("threshold", "counts", "added"), [(0.5, [0, 1, 2], False), (0.7, [0, 0, 2], False), (0.2, [1, 1, 2], True)]
)
def test_the_score_overrules_the_count(threshold: float, counts: list[int], *, added: bool) -> None:
    """Above pyannote's threshold a low score silences a frame; below it, a frame that scores enough gets a speaker."""
    count, scores = np.array([[0], [1], [2]]), np.array([0.3, 0.6, 0.9], np.float32)

    assert overrule(count, scores, threshold).tolist() == [added, False, False]
    assert count[:, 0].tolist() == counts


def test_speech_is_whatever_is_not_nobody() -> None:
    """Powerset: one minus class 0, given as a logarithm; multi-label: the most active speaker."""
    output = torch.tensor([[[0.25, 0.5, 0.25]]])

    assert speech_probability(output.log(), powerset=True).item() == pytest.approx(0.75)
    assert speech_probability(output, powerset=False).item() == 0.5


def test_overlap_is_left_out_of_pooling_where_enough_remains() -> None:
    """A speaker who is alone for long enough is pooled over those frames; another over all of theirs."""
    active = np.zeros((1, 10, 2), np.float32)
    active[0, :8, 0] = active[0, 6:, 1] = 1
    decisions = SlidingWindowFeature(active, SlidingWindow(start=0.0, duration=10.0, step=1.0))

    assert pooling_masks(decisions, None)[0].sum(axis=-1).tolist() == [8, 4]
    assert pooling_masks(decisions, 3.0)[0].sum(axis=-1).tolist() == [6, 4]
    assert pooling_masks(decisions, 3.0, np.array([0])).shape == (1, 2, 10)
    assert pad_to(torch.from_numpy(pooling_masks(decisions, None)), 3)[1:].sum() == 0


def test_overlapping_windows_are_averaged_or_summed() -> None:
    """Two windows of four frames, half overlapping: where both speak there is their mean, or their sum."""
    windows, frames = SlidingWindow(start=0, duration=4, step=2), SlidingWindow(start=0, duration=1, step=1)
    feature = SlidingWindowFeature(np.array([[1.0] * 4, [3.0] * 4])[..., None], windows)

    assert aggregate(feature, frames)[:6].tolist() == [1, 1, 2, 2, 3, 3]
    assert aggregate(feature, frames, total=True)[:6].tolist() == [1, 1, 4, 4, 3, 3]

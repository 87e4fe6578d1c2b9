"""What the networks gave, held compactly."""

import numpy as np

from tasks.engine.inference.window_outputs import WindowOutputs


def test_who_talks_and_who_is_heard_well_enough() -> None:
    """Somebody who is never alone talks but is not heard; a fifth of the frames alone suffices."""
    decisions = np.zeros((1, 10, 3), np.float32)
    decisions[0, :5, 0] = decisions[0, 3:5, 1] = decisions[0, 9:, 2] = 1
    windows = WindowOutputs.of(np.ones((1, 10), np.float32), decisions)

    assert windows.talking.tolist() == [[True, True, True]]
    assert windows.heard.tolist() == [[True, False, False]]
    assert windows.embeddings.shape == (1, 3, 0)


def test_some_windows_alone() -> None:
    """Every part follows, in the order that was asked for."""
    numbers = np.arange(4, dtype=np.float32)
    windows = WindowOutputs.of(np.tile(numbers[:, None], (1, 5)), np.ones((4, 5, 2), np.float32))

    assert windows.at(np.array([3, 1])).speech[:, 0].tolist() == [3, 1]
    assert len(windows.at(np.array([0]))) == len(windows.at(np.array([0])).decisions) == 1

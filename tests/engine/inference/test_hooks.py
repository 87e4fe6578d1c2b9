"""Hooks between stages: what passes is kept, and what was given takes its place."""

import numpy as np

from tasks.engine.core.stages import Stage
from tasks.engine.inference.hooks import StageHooks


def test_hooks_keep_what_passes_and_replace_what_was_given() -> None:
    """Parts and wholes; padding behind the last window passes and is not kept."""
    given = np.arange(12, dtype=np.float32).reshape(3, 4)
    hooks = StageHooks(given={Stage.SCORES: given})

    first = hooks.part(Stage.SCORES, 0, np.zeros((2, 4), dtype=np.float32))
    last = hooks.part(Stage.SCORES, 2, np.full((2, 4), 9, dtype=np.float32))
    hooks.finish(Stage.SCORES, 3)
    whole = hooks.whole(Stage.DECISIONS, given + 1)

    assert np.array_equal(first, given[:2])
    assert np.array_equal(last, [given[2], [9, 9, 9, 9]])
    assert np.array_equal(hooks.kept[Stage.SCORES], given)
    assert np.array_equal(whole, hooks.kept[Stage.DECISIONS])


def test_a_batch_that_is_repeated_in_halves_is_kept_once() -> None:
    """Out of memory repeats a batch with a smaller size; padding between batches is not kept either."""
    hooks = StageHooks()
    for first, rows in ((0, 4), (0, 3), (3, 3), (4, 3)):  # failed; then three at a time, of which 3 to 6 has padding
        hooks.part(Stage.SCORES, first, np.full((rows, 2), first, dtype=np.float32))
    hooks.finish(Stage.SCORES, 6)

    assert hooks.kept[Stage.SCORES][:, 0].tolist() == [0, 0, 0, 3, 4, 4]


def test_a_kept_output_is_not_the_one_that_goes_on() -> None:
    """Later stages may write to what they get: what was kept stays as it passed."""
    hooks = StageHooks()
    passed = hooks.whole(Stage.CLUSTERS, np.zeros(3))
    passed[0] = 1

    assert hooks.kept[Stage.CLUSTERS].tolist() == [0, 0, 0]

"""Comparing hard decisions: near things may flip, clear ones may not."""

import numpy as np

from tasks.engine.diagnosis.decisions import Decisions, flips, flips_of


def decisions(chosen: list[int], margins: list[float], tie: float = 0.1) -> Decisions:
    """Decisions of one kind."""
    return Decisions(np.array(chosen), np.array(margins), "units", tie)


def test_a_flip_is_a_tie_only_where_neither_side_decided() -> None:
    """Within the tie width on both sides; clear on one side is a defect."""
    flipped = flips_of(
        "kind", decisions([1, 2, 3, 4], [0.05, 0.05, 0.5, 0.9]), decisions([1, 0, 0, 0], [0.9, 0.02, 0.01, 0.8])
    )

    assert (flipped.total, flipped.differing, flipped.ties, flipped.defects) == (4, 3, 1, 2)
    assert flipped.clearest == 0.8
    assert flipped.closest == (0.05, 0.01)
    assert str(flipped) == "kind: 3 of 4 differ, 1 of them ties, the clearest by 0.8 units"


def test_equal_choices_are_no_flips_whatever_their_margins() -> None:
    """Nothing differs, nothing is a tie."""
    flipped = flips_of("kind", decisions([1, 2], [0.0, 0.0]), decisions([1, 2], [9.0, 9.0]))

    assert (flipped.differing, flipped.ties, flipped.clearest) == (0, 0, None)


def test_other_shapes_differ_throughout_and_are_no_ties() -> None:
    """A side with more to decide on is not the same run; JSON can say it."""
    flipped = flips_of("kind", decisions([1, 2], [0.0, 0.0]), decisions([1], [0.0]))

    assert (flipped.differing, flipped.ties, flipped.defects) == (2, 0, 2)
    assert flipped.to_dict()["clearest"] is None


def test_kinds_that_one_side_did_not_reach_are_left_out() -> None:
    """Where nobody speaks there is nothing to cluster."""
    assert flips({"a": decisions([1], [1.0]), "b": decisions([1], [1.0])}, {"a": decisions([1], [1.0])})[0].kind == "a"

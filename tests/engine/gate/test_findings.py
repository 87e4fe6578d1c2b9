"""What a diagnosis found, in sentences and in JSON."""

import json

import pytest

from tasks.engine.core.stages import Stage
from tasks.engine.gate.findings import Difference, Flips, Localization


def flips(differing: int, ties: int, clearest: float | None) -> Flips:
    """Ten decisions, some of which differ."""
    return Flips("class of a frame", 10, differing, ties, clearest, (0.01, 0.02), "probability", 1e-3)


@pytest.mark.parametrize(
    ("flipped", "defects", "sentence"),
    [
        (flips(0, 0, None), 0, "class of a frame: all 10 equal"),
        (flips(3, 3, 1e-4), 0, "class of a frame: 3 of 10 differ, 3 of them ties, the clearest by 0.0001 probability"),
        (flips(3, 1, 0.5), 2, "class of a frame: 3 of 10 differ, 1 of them ties, the clearest by 0.5 probability"),
        (flips(10, 0, None), 10, "class of a frame: 10 of 10 differ, 0 of them ties"),
    ],
)
def test_flips_that_are_no_ties_are_defects(flipped: Flips, defects: int, sentence: str) -> None:
    """Rounding explains a tie; whatever else flipped was clear on a side, and the sentence says how clear."""
    assert flipped.defects == defects
    assert str(flipped) == sentence
    assert json.loads(json.dumps(flipped.to_dict(), allow_nan=False))["closest"] == [0.01, 0.02]


@pytest.mark.parametrize(
    ("difference", "where"),
    [
        (Difference(Stage.SCORES, 0.25, 0.5, 3, 3.0), ", window 3 (3.0 s), largest difference 0.25, 50 % of values"),
        (Difference(Stage.SCORES, None, 1.0, 0, 0.0), ", window 0 (0.0 s), other shapes, 100 % of values"),
        (Difference(Stage.SCORES, 1.5, 0.01, None, 2.5), ", at 2.5 s, largest difference 1.5, 1 % of values"),
        (Difference(Stage.SCORES, 0.0, 0.0, None, None), ""),
    ],
    ids=["a window", "other shapes", "samples", "no place"],
)
def test_a_localization_says_where_as_far_as_that_is_known(difference: Difference, where: str) -> None:
    """Stage first, then place and numbers, then what to do."""
    earlier = Difference(Stage.FRONT_END, 1e-6, 0.1, 0, 0.0, drifts=False)
    located = Localization(Stage.SCORES, (earlier, difference), "Do this.")

    assert located.difference is difference
    assert located.sentence == f"first diverged: {Stage.SCORES}{where}. Do this."


def test_the_frame_mapping_has_no_numbers() -> None:
    """It is named where no stage's output did harm, so there is no difference of its own."""
    located = Localization(Stage.FRAMES, (Difference(Stage.SCORES, 0.0, 0.0, None, None, drifts=False),), "Do this.")

    assert located.difference is None
    assert located.sentence == "first diverged: frame mapping. Do this."


def test_a_localization_is_json() -> None:
    """Stages by name, each with its numbers."""
    located = Localization(Stage.SCORES, (Difference(Stage.SCORES, 0.25, 0.5, 3, 3.0, drifts=True),), "Do this.")
    content = json.loads(json.dumps(located.to_dict(), allow_nan=False))

    assert content["stage"] == content["differences"][0]["stage"] == "segmentation scores"
    assert content["differences"][0] == {
        "stage": "segmentation scores",
        "largest": 0.25,
        "share": 0.5,
        "window": 3,
        "seconds": 3.0,
        "drifts": True,
    }

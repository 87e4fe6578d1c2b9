"""Localization: the first stage whose output makes the reference drift is the one that is named."""

from collections.abc import Mapping

import numpy as np
import pytest

from tasks.engine.core.stages import Stage, Value
from tasks.engine.devices.plan import DevicePlan
from tasks.engine.diagnosis.localization import PATCHABLE, difference, localize

PLAN = DevicePlan("cpu", "cpu", "CPU", "naive", "float16", 4, 2, "none", "none", "a test")


def outputs() -> dict[Stage, Value]:
    """Five windows of something at every stage."""
    rng = np.random.default_rng(7)
    return {stage: rng.normal(size=(5, 4, 3)).astype(np.float32) for stage in PATCHABLE}


@pytest.mark.parametrize("culprit", PATCHABLE)
def test_the_first_stage_that_makes_the_reference_drift_is_named(culprit: Stage) -> None:
    """Stages before it may differ harmlessly; stages behind it differ because of it."""
    reference, candidate = outputs(), outputs()
    for stage in PATCHABLE:
        candidate[stage] = reference[stage] + np.float32(1e-6)
    candidate[culprit][3, 1, 2] += 5

    def drifts_with(given: Mapping[Stage, Value]) -> bool:
        return culprit in given

    located = localize(reference, candidate, drifts_with, PLAN)

    assert located.stage is culprit
    assert located.differences[-1].largest == pytest.approx(5, rel=1e-3)
    if culprit is not Stage.SAMPLES:
        assert "window 3 (3.0 s)" in located.sentence
    assert located.advice in located.sentence


def test_when_no_stage_does_it_is_the_frame_mapping() -> None:
    """Equal outputs all along leave only the last step."""
    same = outputs()

    assert localize(same, same, lambda _given: pytest.fail("nothing differs"), PLAN).stage is Stage.FRAMES


def test_another_shape_is_a_divergence_without_patching() -> None:
    """A dropped window cannot be handed over."""
    reference, candidate = outputs(), outputs()
    candidate[Stage.SCORES] = candidate[Stage.SCORES][:4]

    located = localize(reference, candidate, lambda _given: False, PLAN)

    assert located.stage is Stage.SCORES
    assert "other shapes" in located.sentence


def test_a_stage_that_neither_side_reached_is_passed_over() -> None:
    """Where nobody speaks there are no embeddings and no clusters: the frame mapping is still named."""
    silent = {stage: value for stage, value in outputs().items() if stage not in {Stage.EMBEDDINGS, Stage.CLUSTERS}}

    assert localize(silent, silent, lambda _given: pytest.fail("nothing differs"), PLAN).stage is Stage.FRAMES


def test_a_stage_that_only_one_side_reached_is_where_they_part() -> None:
    """What is missing cannot be handed over."""
    whole = outputs()
    silent = {stage: value for stage, value in whole.items() if stage not in {Stage.EMBEDDINGS, Stage.CLUSTERS}}

    assert localize(whole, silent, lambda _given: False, PLAN).stage is Stage.EMBEDDINGS
    assert localize(silent, whole, lambda _given: False, PLAN).stage is Stage.EMBEDDINGS


def test_all_of_the_values_are_a_hundred_percent() -> None:
    """And not 1e+02, which nobody reads."""
    reference, candidate = outputs(), outputs()
    candidate[Stage.FRONT_END] = candidate[Stage.FRONT_END] + 1

    assert ", 100 % of values" in localize(reference, candidate, lambda _given: True, PLAN).sentence


def test_nan_is_infinitely_far_from_a_number_and_equal_to_itself() -> None:
    """A broken value is the largest difference there is."""
    whole = np.zeros((2, 3), dtype=np.float32)
    broken = whole.copy()
    broken[1, 2] = np.nan

    assert difference(Stage.SCORES, whole, broken).largest == np.inf
    assert difference(Stage.SCORES, broken, broken).largest == 0

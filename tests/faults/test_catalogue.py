"""The fault catalogue: what is beyond the limits is caught, what is within passes, the stage to blame is named."""

import re
from collections.abc import Callable
from functools import cache

import pytest
from catalogue import FAULTS
from clips import references
from trial import Fault, Size, Trial, attempt

from tasks.engine.core.choices import Verdict
from tasks.engine.core.stages import Stage

pytestmark = pytest.mark.slow

TRIALS = [pytest.param(fault, size, id=f"{fault.name}-{size}") for fault in FAULTS for size in fault.sizes]

Tried = Callable[[Fault, Size], Trial]


@pytest.fixture(scope="session")
def tried() -> Tried:
    """Every trial is made once; the clips' real runs are taken when first needed."""
    clips = references()
    return cache(lambda fault, size: attempt(fault, size, clips[fault.clip]))


def test_the_catalogue_is_large_and_strikes_everywhere() -> None:
    """At least 25 faults of different names, and every stage is struck by some."""
    names = {fault.name for fault in FAULTS}

    assert len(names) == len(FAULTS) >= 25
    assert {fault.stage for fault in FAULTS} == set(Stage)


@pytest.mark.parametrize(("fault", "size"), TRIALS)
def test_the_verdict_follows_the_limits(fault: Fault, size: Size, tried: Tried) -> None:
    """Drift exactly where an independent computation finds a limit exceeded, by the same criteria."""
    trial = tried(fault, size)

    if trial.beyond is None:
        assert trial.verdict in {Verdict.NOT_COMPARABLE, "NonFiniteError"}, trial.sentence
    else:
        assert trial.verdict == (Verdict.DRIFT if trial.beyond else Verdict.COHERENT), trial.sentence
        assert trial.failed == trial.beyond


@pytest.mark.parametrize(("fault", "size"), TRIALS)
def test_the_guilty_stage_is_named(fault: Fault, size: Size, tried: Tried) -> None:
    """On drift localization names the stage that was struck; on refusal the sentence says what is wrong, and where."""
    trial = tried(fault, size)

    if trial.verdict == Verdict.DRIFT:
        assert trial.named in (fault.stages or (fault.stage,)), trial.sentence
    elif trial.caught:
        assert fault.says, trial.sentence
        assert re.search(fault.says, trial.sentence), trial.sentence
        assert trial.named in {*fault.stages, fault.stage}, trial.sentence


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_worst_size_is_caught_and_the_harmless_pass(fault: Fault, tried: Tried) -> None:
    """A fault that is never large enough to be caught would show nothing; a harmless one must not raise an alarm."""
    if fault.harmless:
        assert [size for size in fault.sizes if tried(fault, size).caught] == []
    else:
        assert tried(fault, fault.sizes[-1]).caught

"""A fault, and its trial: the mutated run goes through the gate, and the stage to blame is to be named."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from zlib import crc32

import numpy as np
import oracle
from replay import Reference, Run

from tasks.engine.core.choices import Verdict
from tasks.engine.core.errors import NonFiniteError
from tasks.engine.core.stages import Stage, Value
from tasks.engine.diagnosis.localization import localize
from tasks.engine.gate.drift_report import DriftReport
from tasks.engine.gate.verdict import compare

Size = float | str
Mutation = Callable[[Reference, Size, np.random.Generator], Run]


@dataclass(frozen=True, slots=True)
class Fault:
    """A named mutation of a real run.

    Attributes:
        name: what went wrong.
        stage: where it strikes, which is the stage to be named.
        sizes: from the mildest to the worst; the worst must be caught unless the fault is `harmless`.
        mutate: makes the candidate.
        clip: the run that is mutated.
        harmless: whether it must pass at every size.
        says: what a refusal without criteria (not comparable, not finite) must say, a regular expression.
        stages: where a real computation may diverge first, if that is not one stage only.
    """

    name: str
    stage: Stage
    sizes: tuple[Size, ...]
    mutate: Mutation
    clip: str = "recording"
    harmless: bool = False
    says: str = ""
    stages: tuple[Stage, ...] = ()


@dataclass(frozen=True, slots=True)
class Trial:
    """Result of one fault at one size.

    Attributes:
        verdict: the gate's, or the name of the error that ended the run.
        sentence: the gate's or the error's.
        named: the stage that was named; None where no localization was run.
        failed: criteria beyond their limits by the gate.
        beyond: those beyond their limits by the oracle; None where there is nothing to compare.
    """

    verdict: str
    sentence: str
    named: Stage | None
    failed: set[str]
    beyond: set[str] | None

    @property
    def caught(self) -> bool:
        """Whether the candidate would have been refused."""
        return self.verdict != Verdict.COHERENT


def attempt(fault: Fault, size: Size, reference: Reference) -> Trial:
    """Mutate, compare, and on drift localize."""
    rng = np.random.default_rng(crc32(f"{fault.name} {size}".encode()))
    try:
        candidate = fault.mutate(reference, size, rng)
    except NonFiniteError as error:
        return Trial(type(error).__name__, str(error), stage_in(str(error)), set(), None)
    report = compare(reference.timeline, candidate.timeline)
    named = None
    if report.verdict is Verdict.DRIFT:
        named = guilty(reference, candidate)
    elif report.verdict is Verdict.NOT_COMPARABLE:
        # The gate saw it in the tables themselves, before anything that could be patched.
        named = Stage.FRAMES
    beyond = oracle.beyond(reference.timeline, candidate.timeline)
    return Trial(report.verdict, report.sentence, named, failed_in(report), beyond)


def failed_in(report: DriftReport) -> set[str]:
    """Names of the criteria beyond their limits."""
    return {criterion.name for criterion in report.failed}


def stage_in(sentence: str) -> Stage | None:
    """The stage that an error's sentence speaks of."""
    return next((stage for stage in Stage if re.search(rf"values of the {stage} are", sentence)), None)


def guilty(reference: Reference, candidate: Run) -> Stage:
    """Localize by real activation patching: give the reference stage outputs until it drifts."""

    def drifts_with(given: Mapping[Stage, Value]) -> bool:
        verdict = compare(reference.timeline, reference.replay(given).timeline).verdict
        return verdict is not Verdict.COHERENT

    return localize(reference.run.outputs, candidate.outputs, drifts_with, candidate.plan).stage

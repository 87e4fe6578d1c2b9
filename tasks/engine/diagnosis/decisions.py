"""Compare hard decisions by their margins: one that flips between two sides is a tie, or a defect.

Inference computes numbers until something has to choose: the class of a frame, how many speak, whose embedding is
worth clustering, where the clusters are cut. A rounding error can turn a choice only where it was a near thing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.engine.gate.findings import Flips


@dataclass(frozen=True, slots=True)
class Decisions:
    """All decisions of one kind that a run made.

    Attributes:
        chosen: what was decided, of any shape.
        margins: of the same shape, the distance of each from another decision, 0 or more.
        unit: of the margins.
        tie: largest margin that counts as undecided.
    """

    chosen: NDArray[Any]
    margins: NDArray[np.float64]
    unit: str
    tie: float


def flips(reference: Mapping[str, Decisions], candidate: Mapping[str, Decisions]) -> tuple[Flips, ...]:
    """Compare kind by kind, in the reference's order; kinds that only one side had to decide on are left out."""
    return tuple(flips_of(kind, own, candidate[kind]) for kind, own in reference.items() if kind in candidate)


def flips_of(kind: str, reference: Decisions, candidate: Decisions) -> Flips:
    """Compare the decisions of one kind; where the shapes differ all of them differ and none is a tie."""
    closest = float(reference.margins.min()), float(candidate.margins.min())
    total = reference.chosen.size
    if reference.chosen.shape != candidate.chosen.shape:
        return Flips(kind, total, total, 0, None, closest, reference.unit, reference.tie)
    differs = reference.chosen != candidate.chosen
    stronger = np.maximum(reference.margins, candidate.margins)[differs]
    weaker = np.minimum(reference.margins, candidate.margins)[differs]
    return Flips(
        kind,
        total,
        differing=int(differs.sum()),
        ties=int((stronger <= reference.tie).sum()),
        clearest=float(weaker.max()) if len(weaker) else None,
        closest=closest,
        unit=reference.unit,
        tie=reference.tie,
    )

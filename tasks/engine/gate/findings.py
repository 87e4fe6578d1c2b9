"""What a diagnosis found, as plain results that a drift report carries."""

from dataclasses import asdict, dataclass
from typing import Any

from tasks.engine.core.stages import Stage


@dataclass(frozen=True, slots=True)
class Flips:
    """The choices of one kind that differ between reference and candidate.

    total: choices that were made. differing: that differ. ties: of those, no decision on either side.
    clearest: the largest margin, on its weaker side, of a choice that differs: None where none does, or where the two
    sides had different things to decide on.
    closest: the smallest margin of any choice, reference and candidate.
    """

    kind: str
    total: int
    differing: int
    ties: int
    clearest: float | None
    closest: tuple[float, float]
    unit: str
    tie: float

    @property
    def defects(self) -> int:
        """Choices that differ although they were clear on a side: rounding does not explain them."""
        return self.differing - self.ties

    def __str__(self) -> str:
        if not self.differing:
            return f"{self.kind}: all {self.total} equal"
        clear = "" if self.clearest is None else f", the clearest by {self.clearest:.3g} {self.unit}"
        return f"{self.kind}: {self.differing} of {self.total} differ, {self.ties} of them ties{clear}"

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {**asdict(self), "closest": list(self.closest), "sentence": str(self)}


@dataclass(frozen=True, slots=True)
class Difference:
    """How far one stage's outputs are apart.

    largest: largest absolute difference; None where the shapes differ. share: of the values that differ, 0 to 1.
    window: where the largest difference is; seconds: when that window (or sample) begins.
    drifts: does the reference drift when it is given this side's outputs up to here? None where not tried.
    """

    stage: Stage
    largest: float | None
    share: float
    window: int | None
    seconds: float | None
    drifts: bool | None = None


@dataclass(frozen=True, slots=True)
class Localization:
    """The first stage that diverged, the numbers of every stage up to it, and what to do about it."""

    stage: Stage
    differences: tuple[Difference, ...]
    advice: str

    @property
    def sentence(self) -> str:
        """One line: stage, place, numbers, advice."""
        found = next((one for one in self.differences if one.stage is self.stage), None)
        if found is None or found.seconds is None:
            return f"first diverged: {self.stage}. {self.advice}"
        where = (
            f"at {found.seconds:.1f} s" if found.window is None else f"window {found.window} ({found.seconds:.1f} s)"
        )
        size = "other shapes" if found.largest is None else f"largest difference {found.largest:.3g}"
        return f"first diverged: {self.stage}, {where}, {size}, {100 * found.share:.3g} % of values. {self.advice}"

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {
            "stage": str(self.stage),
            "sentence": self.sentence,
            "advice": self.advice,
            "differences": [asdict(one) | {"stage": str(one.stage)} for one in self.differences],
        }

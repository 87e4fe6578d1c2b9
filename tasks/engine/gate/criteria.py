"""Each measurement beside its limit, in a form for people, files and programs."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from tasks.engine.gate.measurements import TIE, Agreement, Stretch
from tasks.engine.gate.tolerance import Tolerance


@dataclass(frozen=True, slots=True)
class Criterion:
    """One measurement against its limit.

    Attributes:
        name: of the limit, as in `Tolerance`.
        title: of the limit, for people.
        value: None where it could not be measured; may be infinite.
        limit: finite, 0 or more.
        unit: of value and limit; empty for a score, which has none.
        strict: whether the value must be below the limit; at most the limit where False.
        detail: where the value comes from, in one clause.
    """

    name: str
    title: str
    value: float | None
    limit: float
    unit: str
    strict: bool
    detail: str

    @property
    def passed(self) -> bool | None:
        """Whether the value is within its limit; None where there is no value.

        No difference at all passes even a strict limit of 0: identical timelines are coherent under any tolerance.
        """
        if self.value is None:
            return None
        return self.value == 0 or (self.value < self.limit if self.strict else self.value <= self.limit)

    @property
    def excess(self) -> float:
        """The value in multiples of its limit: infinite over a limit of 0; 0 where there is no value."""
        if not self.value:
            return 0.0
        return self.value / self.limit if self.limit else math.inf

    def to_dict(self) -> dict[str, Any]:
        """Convert to JSON types: infinity becomes null with a note."""
        content = dataclasses.asdict(self) | {"passed": self.passed}
        if self.value is not None and math.isinf(self.value):
            content |= {"value": None, "note": "The value is infinite, which JSON cannot say."}
        return content

    @property
    def value_in_words(self) -> str:
        """The value with its unit, also where there is none or it has no end."""
        if self.value is None:
            return "not measured"
        return "beyond any limit" if math.isinf(self.value) else _quantity(self.value, self.unit)

    @property
    def limit_in_words(self) -> str:
        """The limit with its unit, and whether it may be reached."""
        return f"{'below' if self.strict else 'at most'} {_quantity(self.limit, self.unit)}"

    def __str__(self) -> str:
        return f"{self.title} {self.value_in_words} ({self.limit_in_words} allowed)"


def criteria_of(agreement: Agreement, tolerance: Tolerance, threshold: float) -> tuple[Criterion, ...]:
    """Put every measurement beside its limit, in the order of `Tolerance`.

    Args:
        agreement: the measurements.
        tolerance: the limits.
        threshold: speech score of the decision, 0 to 1; named in the detail about ties.
    """
    measured = _values(agreement, threshold)
    return tuple(
        Criterion(
            name=limit.name,
            title=limit.metadata["title"],
            value=measured[limit.name][0],
            limit=getattr(tolerance, limit.name),
            unit=limit.metadata["unit"],
            strict=limit.metadata["strict"],
            detail=measured[limit.name][1],
        )
        for limit in dataclasses.fields(tolerance)
    )


def _values(agreement: Agreement, threshold: float) -> dict[str, tuple[float | None, str]]:
    """Value and detail of each criterion, by name."""
    speakers, stretch = agreement.speakers, agreement.worst_stretch
    counts = f"reference {speakers.reference_count}, candidate {speakers.candidate_count}"
    return {
        "first_detection_offset_sec": (agreement.first_offset_sec, _first_detail(agreement)),
        "speech_percent_difference": (
            agreement.percent_difference,
            f"reference {agreement.reference_percent:.4g} %, candidate {agreement.candidate_percent:.4g} %",
        ),
        "flipped_frames_percent": (agreement.flipped_percent, _flip_detail(agreement, threshold)),
        "worst_stretch_percent": (stretch.percent, _stretch_detail(stretch)),
        "der_percent": (speakers.der.worse, _directions_detail(*speakers.der)),
        "jer_percent": (speakers.jer.worse, _directions_detail(*speakers.jer)),
        "speaker_count_difference": (float(abs(speakers.reference_count - speakers.candidate_count)), counts),
        **_score_values(agreement),
    }


def _score_values(agreement: Agreement) -> dict[str, tuple[float | None, str]]:
    scores = agreement.scores
    if scores is None:
        missing = (None, "not measured: a side has no speech scores")
        return {"max_score_difference": missing, "p99_score_difference": missing}
    return {
        "max_score_difference": (scores.largest, f"at frame {scores.largest_frame}"),
        "p99_score_difference": (scores.p99, "99 % of the frames differ by no more"),
    }


def _stretch_detail(stretch: Stretch) -> str:
    frames = f"frames {stretch.first_frame} to {stretch.last_frame}"
    return f"from {stretch.start_sec:.2f} s to {stretch.end_sec:.2f} s, {frames}"


def _first_detail(agreement: Agreement) -> str:
    sides = (("reference", agreement.first_reference_sec), ("candidate", agreement.first_candidate_sec))
    return ", ".join(f"{side} {'has no speech' if first is None else f'{first:.3f} s'}" for side, first in sides)


def _flip_detail(agreement: Agreement, threshold: float) -> str:
    counted = f"{agreement.flipped} of {agreement.frames} frames"
    if agreement.scores is None:
        return f"{counted}; ties not known without scores"
    return f"{counted}, {agreement.scores.ties} of them ties within {TIE:g} of {threshold:g} on both sides"


def _directions_detail(forth: float, back: float) -> str:
    return f"candidate against reference {forth:.4g} %, the other way {back:.4g} %"


def _quantity(value: float, unit: str) -> str:
    return f"{value:.6g} {unit}".rstrip()

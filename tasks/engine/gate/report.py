"""What a comparison found, in a form for people, files and programs."""

import dataclasses
import json
import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tasks.engine.decisions import Flips
from tasks.engine.gate.agreement import TIE, Agreement, Stretch
from tasks.engine.gate.tolerance import Tolerance
from tasks.engine.localise import Localisation

SCHEMA_VERSION = 1


class Verdict(StrEnum):
    """What was decided about a candidate."""

    COHERENT = "coherent"
    """Compared, and within every limit that could be measured."""
    DRIFT = "drift"
    """Compared, and beyond a limit."""
    NOT_COMPARABLE = "not_comparable"
    """Different audio, frames or rates, no frames, or values that are not finite."""
    REFERENCE_NOT_REPEATABLE = "reference_not_repeatable"
    """The reference run twice does not equal itself."""
    REFERENCE = "reference"
    """The output came from the reference's own device and precision: published as what it is, never a pass."""
    UNVERIFIED = "unverified"
    """No comparison was asked for."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """One measurement against its limit.

    name: as in `Tolerance`. value: None where it could not be measured, may be infinite.
    strict: the value must be below the limit, else at most the limit.
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
        """Is the value within its limit? None where there is no value.

        No difference at all passes even a strict limit of 0: identical timelines are coherent under any tolerance.
        """
        if self.value is None:
            return None
        return self.value == 0 or (self.value < self.limit if self.strict else self.value <= self.limit)

    @property
    def excess(self) -> float:
        """Value in limits: 1 at the limit, infinite over a limit of 0; 0 where there is no value."""
        if not self.value:
            return 0.0
        return self.value / self.limit if self.limit else math.inf

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form: infinity becomes null with a note."""
        content = dataclasses.asdict(self) | {"passed": self.passed}
        if self.value is not None and math.isinf(self.value):
            content |= {"value": None, "note": "The value is infinite, which JSON cannot say."}
        return content

    def __str__(self) -> str:
        value = "not measured" if self.value is None else _quantity(self.value, self.unit)
        return f"{self.title} {value} (limit {'<' if self.strict else '<='} {_quantity(self.limit, self.unit)})"


@dataclass(frozen=True, slots=True)
class DriftReport:
    """The verdict and everything it rests on.

    reason: one sentence where no criterion speaks (not comparable, unverified…).
    notes: what could not be checked, and what the files say against themselves.
    localisation: the first stage that diverged, where that was looked for.
    flips: the hard decisions that differ around the worst stretch, kind by kind, where they were looked at.
    """

    verdict: Verdict
    tolerance: Tolerance
    criteria: tuple[Criterion, ...] = ()
    reason: str | None = None
    notes: tuple[str, ...] = ()
    agreement: Agreement | None = None
    localisation: Localisation | None = None
    flips: tuple[Flips, ...] = ()

    @property
    def failed(self) -> tuple[Criterion, ...]:
        """The criteria beyond their limits."""
        return tuple(criterion for criterion in self.criteria if criterion.passed is False)

    @property
    def identical(self) -> bool:
        """Compared, and no difference at all in anything that could be measured."""
        measured = [criterion.value for criterion in self.criteria if criterion.value is not None]
        return bool(measured) and not any(measured)

    @property
    def worst(self) -> Criterion | None:
        """The failed criterion farthest beyond its limit, None where none failed."""
        return max(self.failed, key=lambda criterion: criterion.excess, default=None)

    @property
    def sentence(self) -> str:
        """One line for a log or a terminal."""
        if self.reason:
            return f"{self.verdict}: {self.reason}"
        if self.worst is None:
            measured = [criterion for criterion in self.criteria if criterion.passed is not None]
            closest = max(measured, key=lambda criterion: criterion.excess, default=None)
            nearest = f", the closest: {closest}" if closest and closest.excess else ", no difference"
            return f"{self.verdict}: {len(measured)} of {len(self.criteria)} criteria measured and passed{nearest}."
        count = f"{len(self.failed)} of {len(self.criteria)} criteria failed, the worst"
        return f"{self.verdict}: {count}: {self.worst}; {self.worst.detail}."

    def criterion(self, name: str) -> Criterion:
        """The criterion of that name.

        Raises:
            KeyError: there is none, because the verdict was reached without comparing.
        """
        return {criterion.name: criterion for criterion in self.criteria}[name]

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        scores = self.agreement.scores if self.agreement else None
        return {
            "schema_version": SCHEMA_VERSION,
            "verdict": str(self.verdict),
            "sentence": self.sentence,
            "reason": self.reason,
            "worst": self.worst.name if self.worst else None,
            "criteria": [criterion.to_dict() for criterion in self.criteria],
            "frames": self.agreement.frames if self.agreement else None,
            "flipped_frames": self.agreement.flipped if self.agreement else None,
            "ties": scores.ties if scores else None,
            "worst_stretch": self.agreement.worst_stretch._asdict() if self.agreement else None,
            "speaker_mapping": self.agreement.speakers.mapping if self.agreement else None,
            "localisation": self.localisation.to_dict() if self.localisation else None,
            "decisions": [flips.to_dict() for flips in self.flips],
            "tolerance": dataclasses.asdict(self.tolerance),
            "notes": list(self.notes),
        }

    def to_json(self) -> str:
        """The same as text."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False, indent=2)


def criteria_of(agreement: Agreement, tolerance: Tolerance, threshold: float) -> tuple[Criterion, ...]:
    """Every measurement beside its limit, in the order of `Tolerance`."""
    found = _found(agreement, threshold)
    return tuple(
        Criterion(
            name=limit.name,
            title=limit.metadata["title"],
            value=found[limit.name][0],
            limit=getattr(tolerance, limit.name),
            unit=limit.metadata["unit"],
            strict=limit.metadata["strict"],
            detail=found[limit.name][1],
        )
        for limit in dataclasses.fields(tolerance)
    )


def _found(agreement: Agreement, threshold: float) -> dict[str, tuple[float | None, str]]:
    """Value and detail of each criterion."""
    speakers, stretch = agreement.speakers, agreement.worst_stretch
    counts = f"reference {speakers.reference_count}, candidate {speakers.candidate_count}"
    return {
        "first_detection_offset_sec": (agreement.first_offset_sec, _first_detail(agreement)),
        "speech_percent_difference": (
            agreement.percent_difference,
            f"reference {agreement.reference_percent:.4g} %, candidate {agreement.candidate_percent:.4g} %",
        ),
        "flipped_frames_percent": (agreement.flipped_percent, _flip_detail(agreement, threshold)),
        "worst_stretch_percent": (stretch.percent, _where(stretch)),
        "der_percent": (speakers.der.worse, _both_ways(*speakers.der)),
        "jer_percent": (speakers.jer.worse, _both_ways(*speakers.jer)),
        "speaker_count_difference": (float(abs(speakers.reference_count - speakers.candidate_count)), counts),
        **_found_scores(agreement),
    }


def _found_scores(agreement: Agreement) -> dict[str, tuple[float | None, str]]:
    scores = agreement.scores
    if scores is None:
        missing = (None, "not measured: a side has no speech scores")
        return {"max_score_difference": missing, "p99_score_difference": missing}
    return {
        "max_score_difference": (scores.largest, f"at frame {scores.largest_frame}"),
        "p99_score_difference": (scores.p99, "99 % of the frames differ by no more"),
    }


def _where(stretch: Stretch) -> str:
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


def _both_ways(forth: float, back: float) -> str:
    return f"candidate against reference {forth:.4g} %, the other way {back:.4g} %"


def _quantity(value: float, unit: str) -> str:
    return f"{value:.6g} {unit}".rstrip()

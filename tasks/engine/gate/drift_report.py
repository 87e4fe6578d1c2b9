"""The result of a comparison, in a form for people, files and programs."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from tasks.engine.core.choices import Verdict
from tasks.engine.gate.criteria import Criterion
from tasks.engine.gate.findings import Flips, Localization, SpotCheck
from tasks.engine.gate.measurements import Agreement
from tasks.engine.gate.tolerance import Tolerance

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class DriftReport:
    """The verdict and everything it rests on.

    Attributes:
        verdict: what was decided.
        tolerance: the limits.
        criteria: every measurement beside its limit; empty where nothing was compared.
        reason: one sentence where no criterion speaks (not comparable, unverified…).
        notes: what could not be checked, and where the files contradict themselves.
        agreement: the measurements; None where nothing was compared.
        localization: the first stage that diverged, where it was searched for.
        flips: the hard decisions that differ around the worst stretch, by kind, where they were computed.
        spot_check: what a reference by sample found, where one was asked for.
    """

    verdict: Verdict
    tolerance: Tolerance
    criteria: tuple[Criterion, ...] = ()
    reason: str | None = None
    notes: tuple[str, ...] = ()
    agreement: Agreement | None = None
    localization: Localization | None = None
    flips: tuple[Flips, ...] = ()
    spot_check: SpotCheck | None = None

    @property
    def failed(self) -> tuple[Criterion, ...]:
        """The criteria beyond their limits."""
        return tuple(criterion for criterion in self.criteria if criterion.passed is False)

    @property
    def identical(self) -> bool:
        """Whether the sides were compared and differ in nothing that could be measured."""
        measured = [criterion.value for criterion in self.criteria if criterion.value is not None]
        return bool(measured) and not any(measured)

    @property
    def by_sample(self) -> bool:
        """Whether the verdict rests on a sample of the windows: no whole reference was computed."""
        return self.spot_check is not None and not self.spot_check.doubts

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
            nearest = max(measured, key=lambda criterion: criterion.excess, default=None)
            margin = f", the closest: {nearest}" if nearest and nearest.excess else ", no difference"
            by_sample = f", {self.spot_check.sentence}" if self.spot_check and self.by_sample else ""
            passed = f"{len(measured)} of {len(self.criteria)} criteria measured and passed{margin}"
            return f"{self.verdict}: {passed}{by_sample}."
        count = f"{len(self.failed)} of {len(self.criteria)} criteria failed, the worst"
        return f"{self.verdict}: {count}: {self.worst}; {self.worst.detail}."

    def criterion(self, name: str) -> Criterion:
        """Look a criterion up by name.

        Raises:
            KeyError: there is none, because the verdict was reached without comparing.
        """
        return {criterion.name: criterion for criterion in self.criteria}[name]

    def to_dict(self) -> dict[str, Any]:
        """Convert to JSON types; the content of `drift.json`."""
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
            "localisation": self.localization.to_dict() if self.localization else None,
            "decisions": [flips.to_dict() for flips in self.flips],
            "spot_check": self.spot_check.to_dict() if self.spot_check else None,
            "tolerance": dataclasses.asdict(self.tolerance),
            "notes": list(self.notes),
        }

    def to_json(self) -> str:
        """Serialize as JSON text."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False, indent=2)

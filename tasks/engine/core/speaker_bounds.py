"""How many speakers were asked for, and what to say of how many were found."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from tasks.engine.core.errors import UsageError

NAMES = ("num_speakers", "min_speakers", "max_speakers")
"""Of the settings."""


@dataclass(frozen=True, slots=True)
class SpeakerBounds:
    """What was asked for. A number makes bounds meaningless, as in pyannote; both are accepted if they agree.

    Attributes:
        number: how many speakers, where it is known.
        fewest: at least so many.
        most: at most so many.

    Raises:
        UsageError: no number of speakers is within all of them.
    """

    number: int | None = None
    fewest: int | None = None
    most: int | None = None

    def __post_init__(self) -> None:
        fewest, most = self.fewest or 1, self.most or max(self.number or 1, self.fewest or 1)
        if not fewest <= (self.number or fewest) <= most:
            known = zip(NAMES, (self.number, self.fewest, self.most), strict=True)
            found = ", ".join(f"{name} = {value}" for name, value in known if value)
            raise UsageError(f"{found}: min_speakers <= num_speakers <= max_speakers would be accepted")

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """Read them as settings and manifests name them; a manifest of before there were bounds has none."""
        return cls(*map(settings.get, NAMES))

    def __str__(self) -> str:
        """Say what was asked for; nothing where any number would do."""
        if self.number:
            return f"{self.number}"
        bounds = (f"at least {self.fewest}" if self.fewest else "", f"at most {self.most}" if self.most else "")
        return " and ".join(filter(None, bounds))

    def facts(self, found: int) -> dict[str, Any]:
        """Return what the files say of it: `asked` in words, None where nothing was; `found`; both as a `sentence`."""
        return {"asked": str(self) or None, "found": found, "sentence": self.sentence(found)}

    def met_by(self, found: int) -> bool:
        """Tell whether a number of speakers is what was asked for."""
        fewest, most = self.number or self.fewest or 0, self.number or self.most or found
        return fewest <= found <= most

    def sentence(self, found: int) -> str:
        """Say what was asked and found, and why they differ where they do."""
        if not str(self):
            return f"{found} found"
        if self.met_by(found):
            return f"{self} asked for, {found} found"
        if not found:
            reason = "nobody speaks"
        elif found < (self.number or self.fewest or 0):
            reason = "too little speech of one person at a time to tell more apart"
        else:
            reason = "the voices could not be brought down to fewer"
        return f"{self} asked for, {found} found: {reason}"

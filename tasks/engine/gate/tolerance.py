"""The limits within which a candidate counts as equal to its reference."""

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tasks.engine.core.errors import UsageError


def _limit(default: float, unit: str, title: str, *, strict: bool = False) -> Any:  # noqa: ANN401  # as dataclasses.field
    """Declare a limit: the value must be below it where ``strict``, else at most it."""
    return dataclasses.field(default=default, metadata={"unit": unit, "title": title, "strict": strict})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """One limit per criterion; a criterion and its limit share their name.

    Attributes:
        first_detection_offset_sec: distance between the first speech of either side. The users' acceptance rule.
        speech_percent_difference: difference of the percentages of frames with speech. The users' acceptance rule.
        flipped_frames_percent: percentages can agree while frames do not.
        worst_stretch_percent: a local failure must not hide in the whole.
        der_percent: diarization error rate, collar 0, best speaker mapping. Speaker coherence.
        jer_percent: Jaccard error rate likewise. Sees a lost minor speaker that DER forgives.
        speaker_count_difference: plus or minus one is not identical.
        max_score_difference: largest difference of the speech scores of a frame. Sees drift before a decision flips.
        p99_score_difference: the difference that 99 % of the frames do not exceed.

    Raises:
        UsageError: a limit that is negative or not finite.
    """

    first_detection_offset_sec: float = _limit(2.0, "s", "first detection offset", strict=True)
    speech_percent_difference: float = _limit(5.0, "points", "speech percentage difference", strict=True)
    flipped_frames_percent: float = _limit(0.5, "%", "frames that differ in is_speech_present")
    worst_stretch_percent: float = _limit(5.0, "%", "differing frames in the worst 30 s stretch")
    der_percent: float = _limit(1.0, "%", "DER, the worse of both directions")
    jer_percent: float = _limit(2.0, "%", "JER, the worse of both directions")
    speaker_count_difference: float = _limit(0.0, "speakers", "speaker count difference")
    max_score_difference: float = _limit(0.25, "", "largest score difference")
    p99_score_difference: float = _limit(0.02, "", "99th percentile of the score differences")

    def __post_init__(self) -> None:
        for name, limit in dataclasses.asdict(self).items():
            if not (math.isfinite(limit) and limit >= 0):
                raise UsageError(f"{name}={limit!r} is not a limit: a finite number of 0 or more would be.")

    def replace_from(self, assignments: Iterable[str]) -> "Tolerance":
        """Copy with the limits given as ``NAME=VALUE``; of two for the same name the later holds.

        Raises:
            UsageError: another form, an unknown name (the known ones are listed), or no usable number.
        """
        return dataclasses.replace(self, **dict(_assignment(text) for text in assignments))


def _assignment(text: str) -> tuple[str, float]:
    name, equals, value = (part.strip() for part in text.partition("="))
    known = [field.name for field in dataclasses.fields(Tolerance)]
    if not equals or name not in known:
        raise UsageError(f"{text!r} sets no limit; NAME=VALUE is accepted with one of {', '.join(known)}.")
    try:
        return name, float(value)
    except ValueError:
        raise UsageError(f"{name}={value!r} is not a limit: a finite number of 0 or more would be.") from None

"""Closed vocabularies, each declared once: settings, form, command line and files share them."""

from enum import Enum, StrEnum, auto
from typing import Self

AS_CONFIGURED = "as configured"
"""What a form sends for a choice that is left to the worker's settings."""


class Explained(StrEnum):
    """Choices that say to people what each does.

    Attributes:
        explanation: one sentence without its subject and its full stop.
    """

    _value_: str
    explanation: str

    def __new__(cls, value: str, explanation: str) -> Self:
        """Make a member of its value and what it does."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.explanation = explanation
        return member


class Reference(Explained):
    """What the output is held against before it is published."""

    CPU = "cpu", "compute it, or take it from an earlier run"
    SAMPLED = "sampled", "compute a tenth of it, and all where that raises a doubt or the audio is short"
    STORED = "stored", "take it from an earlier run, or fail"
    NONE = "none", "publish unverified"


class OnDrift(Explained):
    """What happens when candidate and reference disagree."""

    FAIL = "fail", "publish nothing and fail the run"
    SUBSTITUTE = "substitute", "publish the reference"
    WARN = "warn", "publish the candidate, marked as drift"


class Engine(StrEnum):
    """How embeddings are computed."""

    EXACT = "exact"
    """The embedding network once per window, as pyannote does."""
    SHARED = "shared"
    """The embedding network once over the audio: faster, not exact."""


class Precision(StrEnum):
    """How inference computes."""

    FP32 = "fp32"
    MIXED = "mixed"
    """The embedding network's frame-level encoder under autocast, everything else in FP32."""
    NAIVE = "naive"
    """Autocast around everything: the incident, on demand."""


class AutocastDtype(StrEnum):
    """The 16-bit type of mixed and naive precision, as `torch.autocast(dtype=)` takes it."""

    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"


class FrameCount(StrEnum):
    """What the rows of a timeline were counted by."""

    PACKETS = "packets"
    """Each packet is a frame: the header of every one says so, and decoding agreed in the groups that were checked."""
    DECODING = "decoding"
    """The whole picture was decoded: packets alone did not tell."""
    UNCHECKED = "packets_unchecked"
    """Each packet counts as a frame: no accepted decoder could be asked."""
    SOUND = "sound"
    """There is no picture: rows at an assumed rate cover the sound."""


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


FAILED = {Verdict.DRIFT, Verdict.NOT_COMPARABLE, Verdict.REFERENCE_NOT_REPEATABLE}
"""Verdicts that nothing is published under, unless that was asked for."""


class Decision(Enum):
    """What happens to a compared candidate."""

    PUBLISH = auto()
    SUBSTITUTE = auto()
    """The reference is published in its place."""
    REFUSE = auto()

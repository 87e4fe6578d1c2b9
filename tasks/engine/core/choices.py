"""Closed vocabularies, each declared once: settings, form, command line and files share them."""

from enum import Enum, StrEnum, auto


class Reference(StrEnum):
    """What the output is held against before it is published."""

    CPU = "cpu"
    """Compute it, or take it from an earlier run."""
    SAMPLED = "sampled"
    """Compute a tenth of it, drawn at random; all of it where that raises a doubt, or the audio is short."""
    STORED = "stored"
    """Take it from an earlier run, or fail."""
    NONE = "none"
    """Publish unverified."""


class OnDrift(StrEnum):
    """What happens when candidate and reference disagree."""

    FAIL = "fail"
    """Publish nothing and fail the run."""
    SUBSTITUTE = "substitute"
    """Publish the reference."""
    WARN = "warn"
    """Publish the candidate, marked as drift."""


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

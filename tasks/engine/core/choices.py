"""Closed vocabularies, each declared once: settings, form, command line and files share them."""

from enum import StrEnum


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

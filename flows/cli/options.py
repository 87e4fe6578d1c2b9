"""Options that several commands share."""

from fractions import Fraction
from typing import Annotated

import typer

from tasks.engine.core.errors import UsageError

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
ProfileName = Annotated[str | None, typer.Option("--profile", help="Profile name or alias; see `step4 profiles`.")]
ModelSet = Annotated[str | None, typer.Option("--models", metavar="offline|HUB-ID|DIR", help="Model set.")]
MinSpeakers = Annotated[int | None, typer.Option("--min-speakers", min=1, max=255, help="Fewest speakers.")]
MaxSpeakers = Annotated[int | None, typer.Option("--max-speakers", min=1, max=255, help="Most speakers.")]
Exclusive = Annotated[bool | None, typer.Option("--exclusive", help="Also publish turns with one speaker at a time.")]

AudioTrack = Annotated[
    str | None,
    typer.Option(
        "--audio-track", metavar="INDEX|LANGUAGE|TITLE", help="Track to analyse, where the rule's is not the one."
    ),
]

AcceptTruncated = Annotated[
    bool | None,
    typer.Option("--accept-truncated", help="Publish a recording that was cut up to where it ends, marked so."),
]


def frame_rate(text: str | None) -> Fraction | None:
    """Parse a frame rate from the command line: `25`, `23.976` or `24000/1001`.

    Raises:
        UsageError: not a positive number.
    """
    try:
        rate = Fraction(text) if text else None
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if rate is not None and rate <= 0:
        raise UsageError(f"--fps {text}: expected a positive number such as 25, 23.976 or 24000/1001")
    return rate

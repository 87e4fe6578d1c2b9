"""Options that several commands share."""

from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer

import profiles
from tasks.engine.core.choices import OnDrift, Reference
from tasks.engine.core.errors import UsageError

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


def profile_names(incomplete: str) -> list[str]:
    """Complete the name of a profile, from the names of the files: reading them would take as long as typing."""
    names = (path.stem for folder in profiles.__path__ for path in Path(folder).glob("*.toml"))
    return sorted(name for name in names if name.startswith(incomplete))


ProfileName = Annotated[
    str | None,
    typer.Option(
        "--profile",
        help="Profile name or alias; see `step4 profiles`.",
        show_default="AUDIO_PROFILE, else gpu_fp32",
        autocompletion=profile_names,
    ),
]
Output = Annotated[
    Path | None, typer.Option("-o", "--output", help="Folder to publish in.", show_default="beside each video")
]
AgainstReference = Annotated[
    Reference | None,
    typer.Option(
        "--reference",
        help="What the output is held against.",
        show_default="STEP4_REFERENCE, else the profile's, else cpu",
    ),
]
OnDrifting = Annotated[
    OnDrift | None,
    typer.Option(
        "--on-drift",
        help="Fail, publish the reference, or publish and warn.",
        show_default="STEP4_ON_DRIFT, else fail",
    ),
]
ModelSet = Annotated[
    str | None,
    typer.Option(
        "--models",
        metavar="offline|HUB-ID|DIR",
        help="Model set.",
        show_default="STEP4_MODELS, else the profile's, else offline",
    ),
]
NumSpeakers = Annotated[
    int | None,
    typer.Option(
        "--num-speakers",
        min=1,
        max=255,
        help="Number of speakers, where known.",
        show_default="STEP4_NUM_SPEAKERS, else unknown",
    ),
]
MinSpeakers = Annotated[
    int | None,
    typer.Option(
        "--min-speakers", min=1, max=255, help="Fewest speakers.", show_default="STEP4_MIN_SPEAKERS, else any"
    ),
]
MaxSpeakers = Annotated[
    int | None,
    typer.Option("--max-speakers", min=1, max=255, help="Most speakers.", show_default="STEP4_MAX_SPEAKERS, else any"),
]
Exclusive = Annotated[
    bool | None,
    typer.Option(
        "--exclusive", help="Also publish turns with one speaker at a time.", show_default="STEP4_EXCLUSIVE, else no"
    ),
]
FrameRate = Annotated[
    str | None,
    typer.Option("--fps", metavar="RATE", help="Frame rate of files that state none.", show_default="25"),
]

AudioTrack = Annotated[
    str | None,
    typer.Option(
        "--audio-track",
        metavar="INDEX|LANGUAGE|TITLE",
        help="Track to analyse, where the rule's is not the one.",
        show_default="STEP4_AUDIO_TRACK, else the rule's",
    ),
]

AcceptTruncated = Annotated[
    bool | None,
    typer.Option(
        "--accept-truncated",
        help="Publish a recording that was cut up to where it ends, marked so.",
        show_default="STEP4_ACCEPT_TRUNCATED, else refuse it",
    ),
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

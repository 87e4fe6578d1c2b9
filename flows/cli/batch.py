"""`step4 batch`: every video below some folders that has no current published timeline."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import (
    AcceptTruncated,
    AgainstReference,
    AsJson,
    AudioTrack,
    Exclusive,
    MaxSpeakers,
    MinSpeakers,
    ModelSet,
    NumSpeakers,
    OnDrifting,
    Output,
    ProfileName,
)


def batch(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Folders; everything below is included.")],
    profile: ProfileName = None,
    output: Output = None,
    reference: AgainstReference = None,
    on_drift: OnDrifting = None,
    models: ModelSet = None,
    num_speakers: NumSpeakers = None,
    min_speakers: MinSpeakers = None,
    max_speakers: MaxSpeakers = None,
    exclusive: Exclusive = None,
    audio_track: AudioTrack = None,
    accept_truncated: AcceptTruncated = None,
    in_flight: Annotated[int, typer.Option(min=1, max=200, help="Runs on the server at a time.")] = 16,
    deployment: Annotated[
        str | None,
        typer.Option(
            metavar="FLOW/NAME", help="Whose workers take the runs.", show_default="step4-audio-analysis/manual"
        ),
    ] = None,
    here: Annotated[bool, typer.Option("--here", help="Run in this process although there is a server.")] = False,
    as_json: AsJson = False,
) -> None:
    """Publish a timeline for every video below DIR that has none, or an outdated one.

    With PREFECT_API_URL set, each video is a flow run that the server's workers take; else all run in this process.
    """
    from flows.cli.runner import run_batch  # noqa: PLC0415

    options = {
        "folders": folders,
        "profile": profile,
        "output": output,
        "reference": reference,
        "on_drift": on_drift,
        "models": models,
        "num_speakers": num_speakers,
        "min_speakers": min_speakers,
        "max_speakers": max_speakers,
        "exclusive": exclusive,
        "audio_track": audio_track,
        "accept_truncated": accept_truncated,
        "in_flight": in_flight,
        "here": here,
        **({"deployment": deployment} if deployment else {}),
    }
    raise typer.Exit(run_batch(options, as_json=as_json))

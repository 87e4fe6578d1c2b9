"""`step4 run`: the flow on videos, in this process."""

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


def run(
    videos: Annotated[list[Path], typer.Argument(metavar="VIDEO...", help="Videos or audio files.")],
    profile: ProfileName = None,
    output: Output = None,
    reference: AgainstReference = None,
    on_drift: OnDrifting = None,
    models: ModelSet = None,
    num_speakers: NumSpeakers = None,
    min_speakers: MinSpeakers = None,
    max_speakers: MaxSpeakers = None,
    exclusive: Exclusive = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Write _audio.json and .rttm anew, although others changed them.")
    ] = False,
    audio_track: AudioTrack = None,
    accept_truncated: AcceptTruncated = None,
    as_json: AsJson = False,
) -> None:
    """Analyse videos and publish their timelines, in this process."""
    from flows.cli.runner import run_all  # noqa: PLC0415

    options = {
        "profile": profile,
        "output": output,
        "reference": reference,
        "on_drift": on_drift,
        "models": models,
        "num_speakers": num_speakers,
        "min_speakers": min_speakers,
        "max_speakers": max_speakers,
        "exclusive": exclusive,
        "refresh": refresh,
        "audio_track": audio_track,
        "accept_truncated": accept_truncated,
    }
    raise typer.Exit(run_all(videos, options, as_json=as_json))

"""step4-audio-analysis: one video, from file to published and verified speaker timeline.

The steps are in `flows/recipes/audio_analysis.py`.
"""

from typing import Any

from prefect import flow

from flows.parameters import (
    AcceptTruncated,
    AudioTrack,
    Exclusive,
    MaxSpeakers,
    MinSpeakers,
    Models,
    NumSpeakers,
    OnDrift,
    Output,
    ProfileName,
    Reference,
    Refresh,
    Video,
)
from flows.recipes.audio_analysis import analyse_video
from tasks.orchestration.failed_state import with_failed_state
from tasks.orchestration.run_names import run_name


@flow(name="step4-audio-analysis", flow_run_name=run_name, persist_result=False, validate_parameters=True)
def audio_analysis(
    video: Video,
    profile: ProfileName = None,
    output: Output = None,
    reference: Reference = None,
    on_drift: OnDrift = None,
    models: Models = None,
    num_speakers: NumSpeakers = None,
    min_speakers: MinSpeakers = None,
    max_speakers: MaxSpeakers = None,
    exclusive: Exclusive = None,
    refresh: Refresh = False,
    audio_track: AudioTrack = None,
    accept_truncated: AcceptTruncated = None,
) -> dict[str, Any]:
    """Analyse one video and publish its timeline, if the gate lets it.

    Args:
        video: the file to analyse.
        profile: name or alias of a profile; else AUDIO_PROFILE, else gpu_fp32.
        output: folder to publish in; beside the video where not given.
        reference: what the output is held against.
        on_drift: what to do when the two disagree.
        models: offline, a hub id, or a folder.
        num_speakers: number of speakers, where known.
        min_speakers: fewest speakers.
        max_speakers: most speakers.
        exclusive: also publish the turns with one speaker at a time.
        refresh: write exchange copies anew although others changed them.
        audio_track: index, language or title of the track to analyse.
        accept_truncated: publish a recording that was cut up to where it ends.

    Returns:
        The manifest.

    Raises:
        DriftError: candidate and reference disagree; nothing was published.
    """
    chosen = {"profile": profile, "reference": reference, "on_drift": on_drift, "models": models}
    speakers = {"num_speakers": num_speakers, "min_speakers": min_speakers, "max_speakers": max_speakers}
    media = {"audio_track": audio_track, "accept_truncated": accept_truncated}
    analyse = with_failed_state(analyse_video)
    return analyse(video, output, **chosen, **speakers, **media, exclusive=exclusive, refresh=refresh)

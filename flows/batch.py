"""step4-batch: every video below some folders that has no current published timeline, one run each.

The steps are in `flows/recipes/batch.py`.
"""

from typing import Any

from prefect import flow

from flows.audio_analysis import audio_analysis
from flows.parameters import (
    AcceptTruncated,
    AudioTrack,
    Deployment,
    Exclusive,
    Folders,
    Here,
    InFlight,
    MaxSpeakers,
    MinSpeakers,
    Models,
    NumSpeakers,
    OnDrift,
    Output,
    ProfileName,
    Reference,
)
from flows.recipes.batch import DEPLOYMENT, run_batch
from tasks.orchestration.failed_state import with_failed_state
from tasks.orchestration.run_names import batch_name


@flow(name="step4-batch", flow_run_name=batch_name, persist_result=False, validate_parameters=True)
def batch(
    folders: Folders,
    profile: ProfileName = None,
    output: Output = None,
    reference: Reference = None,
    on_drift: OnDrift = None,
    models: Models = None,
    num_speakers: NumSpeakers = None,
    min_speakers: MinSpeakers = None,
    max_speakers: MaxSpeakers = None,
    exclusive: Exclusive = None,
    audio_track: AudioTrack = None,
    accept_truncated: AcceptTruncated = None,
    in_flight: InFlight = 16,
    deployment: Deployment = DEPLOYMENT,
    here: Here = False,
) -> dict[str, Any]:
    """Publish a timeline for every video that has none, or whose timeline is out of date.

    Args:
        folders: where to look, everything below included; a single video is accepted too.
        profile: name or alias of a profile; else AUDIO_PROFILE, else gpu_fp32.
        output: one folder to publish all of them in; beside each video where not given.
        reference: what the outputs are held against.
        on_drift: what to do when the two disagree.
        models: offline, a hub id, or a folder.
        num_speakers: number of speakers, where every video has the same.
        min_speakers: fewest speakers of any video.
        max_speakers: most speakers of any video.
        exclusive: also publish the turns with one speaker at a time.
        audio_track: index, language or title of the track to analyse, in every video.
        accept_truncated: publish recordings that were cut up to where they end.
        in_flight: flow runs on the server at a time, waiting ones included.
        deployment: whose workers take the runs.
        here: run the videos in this process although there is a server.

    Returns:
        Counts, and the failures, the worst first.

    Raises:
        BatchError: videos failed; each had its turn.
    """
    return with_failed_state(run_batch)(
        folders,
        output,
        in_flight=in_flight,
        deployment=deployment,
        here=here,
        analyse=audio_analysis,
        profile=profile,
        reference=reference,
        on_drift=on_drift,
        models=models,
        num_speakers=num_speakers,
        min_speakers=min_speakers,
        max_speakers=max_speakers,
        exclusive=exclusive,
        audio_track=audio_track,
        accept_truncated=accept_truncated,
    )

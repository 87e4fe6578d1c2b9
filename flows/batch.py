"""step4-batch: every video below some folders that has no current published timeline, one run each.

    plan (walk, read manifests) → runs in this process, or flow runs that workers take → report, the worst first

Nothing about progress is kept: what is missing is found again from what is published, so a batch that was killed is
resumed by starting it again. On a server, idempotency keys keep two batches from running one video twice.
"""

from functools import partial
from pathlib import Path
from typing import Any

from prefect import flow

from flows.audio_analysis import audio_analysis
from flows.parameters import (
    Deployment,
    Folders,
    Here,
    InFlight,
    Models,
    NumSpeakers,
    OnDrift,
    Output,
    ProfileName,
    Reference,
)
from profiles.settings import Configuration
from tasks.batch import conclude_task, handed_over, plan, run_here
from tasks.engine.batch.outcomes import BatchTotals
from tasks.orchestration.connection import log_at
from tasks.submit import Submission, submit_runs_task

RUN_OF_ONE_VIDEO = "step4-audio-analysis/manual"


@flow(name="step4-batch", persist_result=False, validate_parameters=True)
def batch(
    folders: Folders,
    profile: ProfileName = None,
    output: Output = None,
    reference: Reference = None,
    on_drift: OnDrift = None,
    models: Models = None,
    num_speakers: NumSpeakers = None,
    in_flight: InFlight = 16,
    deployment: Deployment = RUN_OF_ONE_VIDEO,
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
        in_flight: flow runs on the server at a time, waiting ones included.
        deployment: whose workers take the runs.
        here: run the videos in this process although there is a server.

    Returns:
        Counts, and the failures, the worst first.

    Raises:
        BatchError: videos failed; each had its turn.
    """
    chosen = {"profile": profile, "reference": reference, "on_drift": on_drift, "models": models}
    configuration = Configuration.resolve({**chosen, "num_speakers": num_speakers})
    log_at(configuration.log_level)
    tally = work(folders, output, configuration, Submission(deployment, in_flight=in_flight), here=here)
    return dict(conclude_task(tally, partial_success_ok=configuration.partial_success_ok))


def work(
    folders: list[Path], output: Path | None, configuration: Configuration, submission: Submission, *, here: bool
) -> BatchTotals:
    """Every video its turn, here or on the server's workers."""
    found = plan(folders, output, configuration)
    chosen = configuration.asked()
    if handed_over(here=here):
        return submit_runs_task(found, submission.with_parameters(output, chosen))
    return run_here(found, partial(audio_analysis, output=output, **chosen), output)

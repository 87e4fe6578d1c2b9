"""Every video below some folders that has no current published timeline, one run each.

    plan (walk, read manifests) → runs in this process (the next video is probed beside each), or flow runs that workers
    take → report, the worst first

Nothing about progress is kept: what is missing is found again from what is published, so a batch that was killed is
resumed by starting it again. On a server, idempotency keys keep two batches from running one video twice.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from flows.recipes.audio_analysis import analyse_video
from profiles.settings import Configuration
from tasks.batch import conclude_task, handed_over, plan, run_here
from tasks.engine.batch.outcomes import BatchTotals
from tasks.engine.dependencies import current_dependencies, use_dependencies
from tasks.engine.media.probe_ahead import ProbeAhead
from tasks.media import probe
from tasks.orchestration.connection import log_at

DEPLOYMENT = "step4-audio-analysis/manual"
"""Whose workers take the runs of a batch, where no other is named."""

Analyse = Callable[..., Mapping[str, Any]]
"""Runs one video: called with it, `output` and settings; gives the manifest."""


def run_batch(
    folders: list[Path],
    output: Path | None = None,
    *,
    in_flight: int = 16,
    deployment: str = DEPLOYMENT,
    here: bool = False,
    analyse: Analyse = analyse_video,
    **chosen: Any,  # noqa: ANN401  # settings
) -> dict[str, Any]:
    """Publish a timeline for every video that has none, or whose timeline is out of date.

    Args:
        folders: where to look, everything below included; a single video is accepted too.
        output: one folder to publish all of them in; beside each video where not given.
        in_flight: flow runs on the server at a time, waiting ones included.
        deployment: whose workers take the runs.
        here: run the videos in this process although there is a server.
        analyse: the run of one video in this process.
        chosen: what `Configuration.resolve` takes; None values count as not chosen.

    Returns:
        Counts, and the failures, the worst first.

    Raises:
        BatchError: videos failed; each had its turn.
    """
    configuration = Configuration.resolve(chosen)
    log_at(configuration.log_level)
    if handed_over(here=here):
        totals = submit(folders, output, configuration, deployment, in_flight)
    else:
        dependencies = current_dependencies()
        asked = configuration.model_dump(include={"audio_track", "accept_truncated"})
        ahead = ProbeAhead(partial(probe, limits=configuration.limits, **asked), dependencies.run_probe)
        videos = plan(folders, output, configuration)
        with use_dependencies(replace(dependencies, run_probe=ahead)):
            totals = run_here(videos, partial(analyse, output=output, **configuration.asked()), output, ahead.start)
    return dict(conclude_task(totals, partial_success_ok=configuration.partial_success_ok))


def submit(
    folders: list[Path], output: Path | None, configuration: Configuration, deployment: str, in_flight: int
) -> BatchTotals:
    """Start a flow run for each video, which the server's workers take."""
    from tasks.submit import Submission, submit_runs_task  # noqa: PLC0415  # Prefect's client: only with a server

    submission = Submission(deployment, in_flight=in_flight).with_parameters(output, configuration.asked())
    return submit_runs_task(plan(folders, output, configuration), submission)

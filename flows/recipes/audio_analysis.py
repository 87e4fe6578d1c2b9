"""One video, from file to published and verified speaker timeline.

    probe → device plan (safer, where a self-check said so) → find published → extract
    → diarize (candidate and reference, or a sample of it) → timelines → detection rate → spot check
    → compare → explain (on drift)
    → a page to look at (on drift) → publish or refuse

Secrets: the hub's token is read from the environment where models are fetched, never a parameter.
Nothing is cached by Prefect: finished inferences are kept by content in `.step4/` beside the output, so that a run
that was killed, or is started again, repeats none.
"""

from functools import partial
from pathlib import Path
from typing import Any

from profiles.settings import Configuration
from tasks.compare import compare_task, decide_task
from tasks.detection_rate import check_detection_rate_task
from tasks.device import plan_device_task
from tasks.diarize import diarize_both, diarize_task
from tasks.engine.core.choices import Decision
from tasks.engine.dependencies import Dependencies, current_dependencies
from tasks.engine.diagnosis.selfcheck import remembered
from tasks.engine.inference.window_outputs import Recomputed
from tasks.engine.media.decode import Samples
from tasks.engine.models.registry import find
from tasks.engine.publishing.manifest import Published
from tasks.engine.publishing.names import require_publishable
from tasks.explain import explain_task
from tasks.inference_job import InferenceJob, Outcome, silent_inference
from tasks.media import listen_task, probe_task
from tasks.orchestration.artifacts import show_task
from tasks.orchestration.connection import log_at
from tasks.orchestration.events import announce_drift, announce_fallback, announce_published, refusal_announced
from tasks.orchestration.gpu_slot import in_gpu_slot
from tasks.orchestration.progress import shown_progress
from tasks.publish import find_published_task, publish_task
from tasks.records.diagnostics import failures_recorded
from tasks.records.metrics import profiled
from tasks.records.run_log import run_logged
from tasks.refuse import refuse_task
from tasks.report import page_task
from tasks.run import Run
from tasks.selfcheck import trusted_plan_task
from tasks.spot_check import diarize_and_recompute, needs_reference, seeds_for, spot_check_task
from tasks.timeline import build_timeline_task


def analyse_video(
    video: Path,
    output: Path | None = None,
    *,
    refresh: bool = False,
    **chosen: Any,  # noqa: ANN401  # settings
) -> dict[str, Any]:
    """Analyse one video and publish its timeline, if the gate lets it.

    Args:
        video: the file to analyse.
        output: folder to publish in; beside the video where not given.
        refresh: write exchange copies anew although others changed them.
        chosen: what `Configuration.resolve` takes; None values count as not chosen.

    Returns:
        The manifest.

    Raises:
        DriftError: candidate and reference disagree; nothing was published.
        Step4Error: anything else that went wrong, in one sentence.
    """
    with run_logged(video), failures_recorded(video):
        configuration = Configuration.resolve(chosen)
        log_at(configuration.log_level)
        dependencies = in_gpu_slot(current_dependencies())
        folder = (output or video.parent).absolute()
        require_publishable(video.absolute(), folder, exclusive=configuration.exclusive)
        with refusal_announced(video, configuration.profile), shown_progress(dependencies) as watched:
            return dict(analyse(video, folder, configuration, watched, refresh=refresh).manifest)


@profiled
def analyse(
    video: Path, output: Path, configuration: Configuration, dependencies: Dependencies, *, refresh: bool = False
) -> Published:
    """Run the recipe, with its dependencies passed in."""
    media = probe_task(
        video,
        configuration.limits,
        configuration.audio_track,
        accept_truncated=configuration.accept_truncated,
        runner=dependencies.run_probe,
    )
    facts = dependencies.device_facts()
    model_set = find(configuration.models)
    models = model_set.identity()
    wanted = plan_device_task(configuration, facts)
    plan = trusted_plan_task(wanted, partial(remembered, facts=facts, models=models), dependencies.check_low_precision)
    run = Run(media, facts, plan, configuration, models, output, model_set.commits, refresh)
    with run.exclusive():
        published = find_published_task(run) or compute(run, dependencies)
    announce_published(run, published)
    return published


def compute(run: Run, dependencies: Dependencies) -> Published:
    """From the video's sound to publication or refusal."""
    if run.media.audio and run.store.is_empty():
        dependencies.preload(run.parameters.models, run.plan)  # while ffmpeg decodes
    samples = listen_task(run.media, run.samples_path, dependencies.run_ffmpeg, run.configuration.limits)
    job = candidate_job(run, samples, dependencies) if samples else None
    candidate, reference, sample = infer(run, job)
    timeline = build_timeline_task(run, candidate, samples, "candidate")
    rate = check_detection_rate_task(run, candidate, timeline.summary)
    checked = spot_check_task(run, job, samples, candidate, timeline, sample) if samples and job else None
    if job and needs_reference(rate, reference, checked):
        reference = diarize_task(job.as_reference())
    trusted = build_timeline_task(run, reference, samples, "reference") if reference else None
    report = compare_task(candidate, timeline, trusted, run.configuration.speech_threshold, checked)
    if samples:
        report = explain_task(report, candidate, samples.load, run.parameters, dependencies.explainer)
    page_task(run, report, timeline, trusted, samples)
    decision = decide_task(report, run.configuration.on_drift, rate)
    show_task(run, report, timeline, trusted, decision)
    announce_drift(run, report, decision)
    if decision is Decision.REFUSE:
        raise refuse_task(run, report, candidate.name)
    if decision is Decision.SUBSTITUTE and reference and trusted:
        return publish_task(run, reference, trusted, report, dependencies.now, substituted=True)
    return publish_task(run, candidate, timeline, report, dependencies.now)


def infer(run: Run, job: InferenceJob | None) -> tuple[Outcome, Outcome | None, Recomputed | None]:
    """Candidate and, where one is needed, reference or a sample of it."""
    if job is None:
        return silent_inference(run.plan), None, None
    if job.seeds and not job.plan.is_reference:
        candidate, sample = diarize_and_recompute(job)
        return candidate, None, sample
    return *diarize_both(job, run.configuration.reference), None


def candidate_job(run: Run, samples: Samples, dependencies: Dependencies) -> InferenceJob:
    """Return the candidate's inference, and what the reference's shares with it."""
    return InferenceJob(
        role="candidate",
        plan=run.plan,
        samples=samples.load,
        parameters=run.parameters,
        store=run.store,
        name_of=partial(run.inference_name, samples_sha256=samples.sha256),
        diarizer=dependencies.diarizer,
        progress=dependencies.progress,
        tell_fallback=partial(announce_fallback, run),
        recompute=dependencies.recompute,
        seeds=seeds_for(run, samples),
    )

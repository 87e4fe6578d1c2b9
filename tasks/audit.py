"""Is what was published still true? A sample of timelines, held against the reference computed afresh."""

import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from profiles.settings import Configuration
from tasks.compare import exclusive, worse
from tasks.device import plan_device
from tasks.diarize import require_finite
from tasks.engine.batch.discovery import require_places
from tasks.engine.batch.outcomes import VideoOutcome, failed, worst_first
from tasks.engine.batch.sampling import Sample, Stratum, upper_bound
from tasks.engine.batch.sampling import draw as draw_from
from tasks.engine.core.choices import Verdict
from tasks.engine.core.errors import BatchError, DriftError, MediaError, ModelError, StorageError
from tasks.engine.core.printable import printable
from tasks.engine.core.timeline import Timeline, timeline_of
from tasks.engine.dependencies import Dependencies
from tasks.engine.devices.plan import DevicePlan
from tasks.engine.formats.detect import load_timeline
from tasks.engine.gate.drift_report import DriftReport
from tasks.engine.gate.verdict import compare
from tasks.engine.inference.types import Parameters
from tasks.engine.models.registry import identity, pinned
from tasks.engine.publishing.exchange import changed_by_others, damage
from tasks.engine.publishing.manifest import find_manifests, load_manifest, proved_by_sample, require_verified_manifest
from tasks.engine.publishing.names import EXCLUSIVE, MANIFEST
from tasks.engine.system.atomic import sha256_of
from tasks.inference_job import silent_inference
from tasks.media import listen, probe_again
from tasks.orchestration.artifacts import show_table
from tasks.orchestration.run_names import name_ending
from tasks.orchestration.stage import stage

log = logging.getLogger("step4.audit")

CONFIDENCE = 0.95
UNREADABLE: Stratum = ("unreadable manifest", "")


def draw(folders: Iterable[Path], size: int, seed: int | None, now: Callable[[], datetime]) -> Sample:
    """Draw a sample of the timelines published below folders, stratified by device and profile.

    Args:
        folders: where to look.
        size: how many timelines to draw.
        seed: repeats a draw; the date as a number, 20260131, where None, so that each day draws others.
        now: the clock.

    Raises:
        UsageError: a folder does not exist.
    """
    folders = list(folders)
    require_places(folders)
    manifests = ((stratum_of(path), path) for path in find_manifests(folders))
    return draw_from(manifests, size, int(now().strftime("%Y%m%d")) if seed is None else seed)


def stratum_of(path: Path) -> Stratum:
    """Return the device that computed a timeline, and the profile it was asked under."""
    manifest = load_manifest(path) or {}
    try:
        return str(manifest["device"].get("device_name") or "no audio"), str(manifest["profile"])
    except (KeyError, AttributeError):
        return UNREADABLE


def examine(sample: Sample, dependencies: Dependencies) -> list[VideoOutcome]:
    """Give every drawn timeline its turn; what cannot be examined is an answer too."""
    plan = reference_plan(dependencies)
    return [examine_one(path, plan, dependencies) for path in drawn(sample)]


def drawn(sample: Sample) -> Iterator[Path]:
    """Return the drawn manifests of all strata."""
    for paths in sample.drawn.values():
        yield from paths


def reference_plan(dependencies: Dependencies) -> DevicePlan:
    """Return the reference's device and arithmetic on this machine, whatever its settings say."""
    configuration = Configuration.resolve({"profile": "cpu", "device": "cpu"})
    return plan_device(configuration, dependencies.device_facts()).as_reference()


def examine_one(path: Path, plan: DevicePlan, dependencies: Dependencies) -> VideoOutcome:
    """Examine one timeline, and say what is wrong with it if anything is."""
    name = printable(path).removesuffix(MANIFEST)
    try:
        report = held_against_now(path, plan, dependencies)
    except Exception as error:  # noqa: BLE001  # the next timeline must have its turn
        log.error("%s: %s", name, error)  # noqa: TRY400  # one line: the report has the rest
        return failed(name, error)
    if report.verdict is Verdict.COHERENT:
        log.info("%s: %s", name, report.sentence)
        return examine_copies(path, VideoOutcome(name, verdict=str(report.verdict)))
    log.error("%s: %s", name, report.sentence)
    return failed(name, DriftError(report.sentence), report.worst.excess if report.worst else 0.0)


def examine_copies(path: Path, outcome: VideoOutcome) -> VideoOutcome:
    """Add the exchange copies that others rewrote, which they may; one that nobody can read any more is damaged."""
    changed = list(changed_by_others(path.parent, load_manifest(path)))
    broken = next(filter(None, map(damage, changed)), None)
    if broken:
        sentence = (
            f"{broken.removesuffix('.')}: damaged, while its timeline is sound; step4 run --refresh writes it anew"
        )
        log.error("%s", sentence)
        return failed(outcome.video, StorageError(sentence))
    for copy in changed:
        log.info("%s was changed by others since it was published", copy)
    return replace(outcome, changed=tuple(map(str, changed)))


def held_against_now(path: Path, plan: DevicePlan, dependencies: Dependencies) -> DriftReport:
    """Compute the reference afresh and hold a published timeline against it. Nothing beside it is written.

    Raises:
        StorageError: the manifest or a file it lists is missing or is not what was published.
        MediaError: the video is gone, or is not the one the timeline describes.
        ModelError: the models are not those that were used.
        EngineError: the computation failed.
    """
    manifest = require_verified_manifest(path)
    video = require_video(path, manifest)
    chosen = as_it_was(manifest)
    if identity(chosen["models"]) != manifest["models"]:
        raise ModelError(f"the models {chosen['models']} are not those that {path.name} was made with: expected them")
    published = load_timeline(next(path.parent / name for name in manifest["files"] if name.endswith(".parquet")))
    reference, alone = compute(video, chosen, plan, dependencies)
    report = compare(reference, published, threshold=chosen["speech_threshold"])
    table = next((path.parent / name for name in manifest["files"] if name.endswith(EXCLUSIVE)), None)
    if table is None or report.verdict is not Verdict.COHERENT:
        return report
    return worse(report, compare(alone, exclusive(published, table), threshold=chosen["speech_threshold"]))


def as_it_was(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a manifest, with the models at the commit that they had, wherever the branch is now."""
    chosen = manifest["parameters"]
    return {**chosen, "models": pinned(chosen["models"], manifest.get("model_commits") or {})}


def require_video(path: Path, manifest: Mapping[str, Any]) -> Path:
    """Return the video of a manifest: beside its files, else where it was.

    Raises:
        MediaError: it is gone, or has other content now.
    """
    source = manifest["source"]
    places: list[Path] = [path.parent / source["name"], Path(manifest["video"])]
    video = next((place for place in places if place.is_file()), None)
    if video is None:
        raise MediaError(f"{manifest['video']} is gone: its timeline cannot be audited")
    if sha256_of(video) != source["sha256"]:
        raise MediaError(f"{video} was changed since its timeline was published: run it again")
    return video


def compute(
    video: Path, chosen: Mapping[str, Any], plan: DevicePlan, dependencies: Dependencies
) -> tuple[Timeline, Timeline]:
    """Compute the reference's timeline of a video now, and that with one speaker at a time.

    The parameters are those of its manifest. Finished inferences are neither asked nor written.
    """
    limits = Configuration.resolve().limits
    media = probe_again(video, limits, chosen, dependencies.run_probe)
    with tempfile.TemporaryDirectory() as folder:
        samples = listen(media, Path(folder) / "samples.f32", dependencies.run_ffmpeg, limits)
        diarization = silent_inference(plan).diarization
        if samples:
            parameters = Parameters.from_manifest(chosen)
            diarization = dependencies.diarizer(samples.load(), plan, parameters, dependencies.progress)
            require_finite(diarization)
        metadata = {"source": {"samples_sha256": samples.sha256 if samples else None}}
    timeline, alone = (
        replace(timeline_of(turns, diarization.scores, media.grid), metadata=metadata)
        for turns in (diarization.turns, diarization.exclusive)
    )
    return timeline, alone


def conclude(sample: Sample, ended: Iterable[VideoOutcome]) -> dict[str, Any]:
    """Report the worst first, with a bound on the share of bad files; in the log and as an artifact.

    A timeline that could not be examined counts as bad in the bound: nobody knows better.

    Raises:
        BatchError: a timeline drifted, changed, or could not be examined; with the worst one's exit code.
    """
    findings = list(ended)
    report = report_of(sample, findings)
    log.info("%s", report["sentence"])
    publish_table(report)
    bad, audited = report["failed"], report["audited"]
    name_ending(f"{bad} of {audited} bad" if bad else f"{audited} coherent")
    if report["exit_code"]:
        worst = report["failures"][0]
        raise BatchError(f"{report['sentence']} The worst: {worst['error']}", report["exit_code"], report)
    return report


def report_of(sample: Sample, findings: list[VideoOutcome]) -> dict[str, Any]:
    """Return the whole report, as `--json` prints it."""
    failures = worst_first(finding for finding in findings if finding.exit_code)
    bound = upper_bound(sample.sizes, sample.population, len(failures), CONFIDENCE)
    published = sum(sample.population.values())
    certainty = "" if len(findings) == published else f", with {CONFIDENCE:.0%} confidence"
    return {
        "exit_code": failures[0].exit_code if failures else 0,
        "seed": sample.seed,
        "published": published,
        "audited": len(findings),
        "proved_by_sample": sum(proved_by_sample(load_manifest(path) or {}) for path in drawn(sample)),
        "failed": len(failures),
        "share_at_most": round(bound, 6),
        "confidence": CONFIDENCE,
        "sentence": (
            f"{len(failures)} of {len(findings)} audited timelines are not what the reference says now; "
            f"of all {published} published, at most {bound:.2%} are bad{certainty}."
        ),
        "strata": [
            {"device": device, "profile": profile, "published": count, "audited": sample.sizes[device, profile]}
            for (device, profile), count in sample.population.items()
        ],
        "changed_by_others": [copy for finding in findings for copy in finding.changed],
        "failures": [finding.to_dict() for finding in failures],
    }


def publish_table(report: Mapping[str, Any]) -> None:
    """Leave the findings as a table on the server, before the run fails."""
    rows = [
        {"timeline": failure["video"], "exit code": failure["exit_code"], "finding": failure["error"]}
        for failure in report["failures"]
    ]
    nothing = [{"timeline": "", "exit code": 0, "finding": "all audited timelines are coherent"}]
    show_table("step4-audit", rows or nothing, report["sentence"])


draw_task = stage("draw")(draw)
examine_task = stage("examine")(examine)
conclude_task = stage("conclude")(conclude)

"""Publication: staged files appear under their public names, the manifest last. Readers trust only what it lists."""

import json
import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from tasks.engine.core import log_lines
from tasks.engine.core.choices import Verdict
from tasks.engine.core.errors import DriftError, NonFiniteError, StorageError, UsageError
from tasks.engine.core.finite import first_non_finite
from tasks.engine.core.timeline import Timeline, rows
from tasks.engine.formats import audio_json, rttm
from tasks.engine.formats.detect import load_timeline
from tasks.engine.gate.drift_report import DriftReport
from tasks.engine.publishing.manifest import Published, fell_back, load_verified_manifest
from tasks.engine.publishing.names import MANIFEST
from tasks.engine.publishing.swap import swap
from tasks.engine.system.atomic import atomic_write_text, disk_in_force, make_folder, sha256_of
from tasks.inference_job import Outcome
from tasks.orchestration.stage import stage
from tasks.records.diagnostics import record
from tasks.run import Run, StagedTimeline

log = logging.getLogger("step4.publish")

PAGE = "report.html"
"""The page that shows a drift, where the run wrote one."""


def find_published(run: Run) -> Published | None:
    """Return the publication this run would make, if it is there, whole, and no device failed while it was made.

    Raises:
        UsageError: the names belong to another file that still exists.
    """
    path = run.published(MANIFEST)
    manifest = load_verified_manifest(path)
    require_own_names(run, manifest)
    if manifest is None or manifest.get("run_key") != run.key or fell_back(manifest["device"]):
        return None
    log.info(log_lines.ALREADY_PUBLISHED, path)
    return Published(path, manifest, already=True)


def require_own_names(run: Run, manifest: Mapping[str, Any] | None) -> None:
    """Refuse to overwrite the files of another video of the same stem.

    Raises:
        UsageError: with the name of the other video.
    """
    other = Path(str((manifest or {}).get("video", run.media.path)))
    if other != run.media.path and other.exists():
        raise UsageError(
            f"{run.published(MANIFEST).name} in {run.output} was published for {other}: "
            f"for {run.media.path} choose another output folder, or remove that manifest if the files were copied here"
        )


def publish(
    run: Run,
    outcome: Outcome,
    staged: StagedTimeline,
    report: DriftReport,
    now: Callable[[], datetime],
    *,
    substituted: bool = False,
) -> Published:
    """Write the remaining formats, then move everything to its public name, the manifest last.

    Args:
        run: names and places.
        outcome: what computed the timeline.
        staged: the timeline.
        report: the gate's report.
        now: the clock.
        substituted: is this the reference, published in the place of a candidate that drifted?

    Raises:
        StorageError: a file could not be written or read back; an earlier publication then stays as it is.
    """
    require_sound(load_timeline(staged.timeline))
    files = {
        "_timeline.parquet": staged.timeline,
        "_turns.parquet": staged.turns,
        **write_exchange_formats(run, outcome, staged.timeline.parent),
        "_drift.json": write_report(report, staged.timeline.parent),
        **page_of(run),
    }
    verdict = Verdict.REFERENCE if substituted else report.verdict
    manifest = {
        **describe(run, outcome, staged, files),
        "published_at": now().isoformat(timespec="seconds"),
        "verdict": str(verdict),
        "verdict_sentence": report.sentence,
        "substituted": substituted,
    }
    text = json.dumps(manifest, ensure_ascii=False, indent=2)
    atomic_write_text(run.staging / "manifest.json", text)
    staged_files = {**files, MANIFEST: run.staging / "manifest.json"}
    try:
        swap({path: run.published(suffix) for suffix, path in staged_files.items()}, unlisted(run, files), run.aside)
    except OSError as error:
        raise StorageError(f"{run.output} does not take the published files: {error.strerror or error}") from error
    if outcome.plan.fallback_reason:
        record(run, "fallback", reason=outcome.plan.fallback_reason)
    log.info("Published: %s (%s)", run.published(MANIFEST), verdict)
    return Published(run.published(MANIFEST), json.loads(text))


def require_sound(timeline: Timeline) -> None:
    """Refuse scores that are not numbers, in what was read back before it is published.

    Raises:
        NonFiniteError: naming the first frame whose score is not.
    """
    scores = timeline.scores
    bad = None if scores is None else first_non_finite(scores)
    if bad is not None:
        raise NonFiniteError(f"speech score of frame {bad + 1} is not finite: expected a number from 0 to 1")


def write_exchange_formats(run: Run, outcome: Outcome, folder: Path) -> dict[str, Path]:
    """Write the formats that others read: the JSON of STEP5, and RTTM."""
    grid, name = run.media.grid, run.media.path.name
    diarization = outcome.diarization
    table = folder / f"audio{run.audio_json_suffix}"
    frames = rows(diarization.turns, diarization.scores, grid)
    audio_json.write(table, frames, video_filename=name, total_frames=grid.count, fps=grid.fps)
    rttm.write(folder / "turns.rttm", diarization.turns, run.stem)
    return {run.audio_json_suffix: table, ".rttm": folder / "turns.rttm"}


def write_report(report: DriftReport, folder: Path) -> Path:
    """Write the whole drift report."""
    path = folder / "drift.json"
    atomic_write_text(path, report.to_json())
    return path


def describe(run: Run, outcome: Outcome, staged: StagedTimeline, files: Mapping[str, Path]) -> dict[str, Any]:
    """Describe what was published, from what and by what: the part of the manifest that no verdict changes."""
    return {
        **staged.metadata,
        "run_key": run.key,
        "request_key": run.request_key,
        "video": str(run.media.path),
        "video_stat": {"bytes": run.media.size, "mtime_ns": run.media.modified_ns},
        "device": {**outcome.facts(), "planned": run.plan.facts(), "found": asdict(run.facts)},
        "files": {
            run.published(suffix).name: {"sha256": sha256_of(path), "bytes": path.stat().st_size}
            for suffix, path in files.items()
        },
    }


def unlisted(run: Run, files: Mapping[str, Path]) -> list[Path]:
    """Optional files of an earlier publication that this one lacks: nobody must read them by mistake."""
    return [run.published(suffix) for suffix in {"_audio.json", "_audio.json.gz", f"_{PAGE}"} - files.keys()]


def refuse(run: Run, report: DriftReport, suspect: str | None = None) -> DriftError:
    """Keep both timelines and the drift report where no reader looks, for a person to inspect.

    Args:
        run: names and places.
        report: why.
        suspect: the store's name of the candidate: it is forgotten, so that a repaired device is asked again.

    Returns:
        The error that the run must end with; it names the worst criterion with its value and limit.

    Raises:
        StorageError: the folder cannot be written.
    """
    if suspect:
        run.store.drop(suspect)
    stage = str(report.localization.stage) if report.localization else None
    record(run, "drift", verdict=str(report.verdict), sentence=report.sentence, stage=stage)
    write_report(report, run.staging)
    try:
        shutil.rmtree(run.refused, ignore_errors=True)
        make_folder(run.refused.parent)
        run.samples_path.unlink(missing_ok=True)
        # Moved, not copied: a refusal needs no space.
        disk_in_force().replace(run.staging, run.refused)
        retire_what_is_not_proved(run)
    except OSError as error:
        raise StorageError(f"{run.refused} could not be written: {error.strerror or error}") from error
    located = f" {report.localization.sentence}" if report.localization else ""
    return DriftError(
        f"{report.sentence}{located} Nothing was published; both timelines are in {run.refused}, shown in its {PAGE}"
    )


def page_of(run: Run) -> dict[str, Path]:
    """Return the page of a drift that is published nonetheless, because that was asked for."""
    page = run.staging / PAGE
    return {f"_{PAGE}": page} if page.is_file() else {}


def retire_what_is_not_proved(run: Run) -> None:
    """Move an earlier publication out of readers' sight, unless it was proved and still describes the video.

    What the video was before describes something else; what was published unverified, or in spite of a drift, was
    never proved, and now there is reason to doubt it.
    """
    path = run.published(MANIFEST)
    manifest = load_verified_manifest(path)
    proved = manifest is not None and manifest["verdict"] in {Verdict.COHERENT, Verdict.REFERENCE}
    if manifest is None or (proved and manifest["source"]["sha256"] == run.media.sha256):
        return
    retired = run.refused / "previous"
    make_folder(retired)
    for name in (path.name, *manifest["files"]):
        disk_in_force().replace(run.output / name, retired / name)
    log.warning("The earlier publication was not proved for this content: moved to %s", retired)


find_published_task = stage("find-published")(find_published)
publish_task = stage("publish")(publish)
refuse_task = stage("refuse")(refuse)

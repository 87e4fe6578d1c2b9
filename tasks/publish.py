"""Publication: staged files appear under their public names, the manifest last. Readers trust only what it lists."""

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from tasks.engine.core import log_lines
from tasks.engine.core.choices import Verdict
from tasks.engine.core.errors import NonFiniteError, StorageError, UsageError
from tasks.engine.core.finite import first_non_finite
from tasks.engine.core.timeline import Timeline
from tasks.engine.formats import turns_parquet
from tasks.engine.formats.detect import load_timeline
from tasks.engine.gate.drift_report import DriftReport
from tasks.engine.publishing import exchange
from tasks.engine.publishing.manifest import Published, fell_back, load_manifest, load_verified_manifest
from tasks.engine.publishing.names import EXCLUSIVE, MANIFEST, PAGE
from tasks.engine.publishing.swap import swap
from tasks.engine.system.atomic import atomic_write_text, sha256_of
from tasks.inference_job import Outcome
from tasks.orchestration.stage import stage
from tasks.records.diagnostics import record
from tasks.run import Run, StagedTimeline

log = logging.getLogger("step4.publish")


OPTIONAL = {EXCLUSIVE, "_audio.json", "_audio.json.gz", f"_{PAGE}"}
"""Suffixes of files that not every publication has."""


def find_published(run: Run) -> Published | None:
    """Return the publication this run would make, if it is there, whole, and no device failed while it was made.

    Exchange copies that others changed are left alone, unless the run is to write them anew; one that is gone is made
    again.

    Raises:
        UsageError: the names belong to another file that still exists.
        StorageError: a copy could not be read, or written anew.
    """
    path = run.published(MANIFEST)
    manifest = load_verified_manifest(path)
    require_own_names(run, manifest)
    if manifest is None or manifest.get("run_key") not in run.accepted_keys or fell_back(manifest["device"]):
        return None
    log.info(log_lines.ALREADY_PUBLISHED, path)
    if run.refresh or exchange.is_lacking(run.output, manifest):
        return refresh(run, manifest)
    left_alone(run, manifest)
    return Published(path, manifest, already=True)


def refresh(run: Run, manifest: Mapping[str, Any]) -> Published:
    """Write the exchange copies of a publication anew from its tables, but for those that are left alone.

    Raises:
        StorageError: a table could not be read, or a copy not be written.
    """
    timeline = load_timeline(run.published("_timeline.parquet"))
    copies = copies_of(run, timeline, run.published("_turns.parquet"), run.staging)
    manifest = {**manifest, "files": {**manifest["files"], **listed(run, copies)}}
    published = put_in_place(run, copies, manifest)
    log.info("Exchange copies written anew: %s", ", ".join(run.published(suffix).name for suffix in copies))
    return replace(published, already=True)


def left_alone(run: Run, manifest: Mapping[str, Any] | None) -> list[Path]:
    """List the exchange copies that others changed since they were published from this very video, and say so.

    Args:
        run: whose copies.
        manifest: what was published, verified or not; one that lists nothing keeps nothing.
    """
    try:
        of_this_video = manifest is not None and manifest["source"]["sha256"] == run.media.sha256
        changed = list(exchange.changed_by_others(run.output, manifest)) if of_this_video and not run.refresh else []
    except (KeyError, TypeError, AttributeError, ValueError):
        return []
    for path in changed:
        log.warning("%s was changed by others and is left alone: step4 run --refresh writes it anew", path)
    return changed


def require_own_names(run: Run, manifest: Mapping[str, Any] | None) -> None:
    """Refuse to overwrite the files of another video of the same stem; a copy of the same file is no other.

    Raises:
        UsageError: with the name of the other video.
    """
    other = Path(str((manifest or {}).get("video", run.media.path)))
    source = (manifest or {}).get("source", {})
    is_copy = (source.get("name"), source.get("sha256")) == (run.media.path.name, run.media.sha256)
    if other != run.media.path and other.exists() and not is_copy:
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
    timeline = load_timeline(staged.timeline)
    require_sound(timeline)
    files = {
        "_timeline.parquet": staged.timeline,
        "_turns.parquet": staged.turns,
        **({EXCLUSIVE: staged.exclusive} if staged.exclusive else {}),
        **copies_of(run, timeline, staged.turns, staged.timeline.parent),
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
        "spot_check": report.spot_check.to_dict() if report.spot_check else None,
    }
    published = put_in_place(run, files, manifest, unlisted(run, files))
    if outcome.name:
        run.store.drop_windows(outcome.name)
        if report.verdict is Verdict.COHERENT and not report.by_sample:
            run.store.clear_doubt(str(staged.metadata["source"]["samples_sha256"]), outcome.name)
    if outcome.plan.fallback_reason:
        record(run, "fallback", reason=outcome.plan.fallback_reason)
    log.info("Published: %s (%s)", run.published(MANIFEST), verdict)
    return published


def put_in_place(
    run: Run, files: Mapping[str, Path], manifest: Mapping[str, Any], obsolete: Iterable[Path] = ()
) -> Published:
    """Give staged files their public names, the manifest last; exchange copies that others changed stay.

    Raises:
        StorageError: a name could not be changed; an earlier publication then stays as it is.
    """
    kept = set(left_alone(run, load_manifest(run.published(MANIFEST))))
    text = json.dumps(manifest, ensure_ascii=False, indent=2)
    atomic_write_text(run.staging / "manifest.json", text)
    staged = {**files, MANIFEST: run.staging / "manifest.json"}
    names = {path: run.published(suffix) for suffix, path in staged.items() if run.published(suffix) not in kept}
    try:
        swap(names, set(obsolete) - kept, run.aside)
    except OSError as error:
        raise StorageError(f"{run.output} does not take the published files: {error.strerror or error}") from error
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


def copies_of(run: Run, timeline: Timeline, turns: Path, folder: Path) -> dict[str, Path]:
    """Write the exchange copies of a run's tables into a folder."""
    return exchange.write(folder, timeline, turns_parquet.read(turns), run.audio_json_suffix, run.stem)


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
        "files": listed(run, files),
    }


def listed(run: Run, files: Mapping[str, Path]) -> dict[str, Any]:
    """Return what the manifest says of each file, by public name."""
    return {
        run.published(suffix).name: {"sha256": sha256_of(path), "bytes": path.stat().st_size}
        for suffix, path in files.items()
    }


def unlisted(run: Run, files: Mapping[str, Path]) -> list[Path]:
    """Optional files of an earlier publication that this one lacks: nobody must read them by mistake."""
    return [run.published(suffix) for suffix in OPTIONAL - files.keys()]


def page_of(run: Run) -> dict[str, Path]:
    """Return the page of a drift that is published nonetheless, because that was asked for."""
    page = run.staging / PAGE
    return {f"_{PAGE}": page} if page.is_file() else {}


find_published_task = stage("find-published")(find_published)
publish_task = stage("publish")(publish)

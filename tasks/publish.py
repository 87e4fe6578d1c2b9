"""Publication: staged files appear under their public names, the manifest last. Readers trust only what it lists."""

import json
import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.diarize import Outcome
from tasks.engine.atomic import atomic_path, sha256_of
from tasks.engine.errors import DriftError, StorageError
from tasks.engine.formats import audio_json, rttm
from tasks.engine.formats.registry import load_timeline
from tasks.engine.gate.report import DriftReport, Verdict
from tasks.engine.runs import Run
from tasks.engine.timeline import rows
from tasks.timeline import StagedTimeline

log = logging.getLogger("step4.publish")

MANIFEST = "_step4.json"


@dataclass(frozen=True, slots=True)
class Published:
    """What a run ends with: its manifest, and whether the files were there already."""

    path: Path
    manifest: Mapping[str, Any]
    already: bool = False


def find_published(run: Run) -> Published | None:
    """The publication this run would make, if it is there, whole, and not the product of a failed device."""
    path = run.published(MANIFEST)
    manifest = read_manifest(path)
    if manifest is None or manifest.get("run_key") != run.key or manifest["device"].get("fallback_reason"):
        return None
    log.info("Déjà publié avec la même entrée, les mêmes paramètres et modèles: aucune inférence (%s)", path)
    return Published(path, manifest, already=True)


def read_manifest(path: Path) -> dict[str, Any] | None:
    """A manifest whose every file is present with its checksum, else None."""
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        whole = all(sha256_of(path.parent / name) == entry["sha256"] for name, entry in manifest["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, StorageError):
        return None
    return manifest if whole else None


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
        StorageError: a file could not be written or read back; an earlier publication then stays as it is, or is
            recognisably incomplete.
    """
    load_timeline(staged.timeline)  # what cannot be read back is not published
    files = {
        "_timeline.parquet": staged.timeline,
        "_turns.parquet": staged.turns,
        **write_exchange_formats(run, outcome, staged.timeline.parent),
        "_drift.json": write_report(report, staged.timeline.parent),
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
    try:
        for suffix, path in files.items():
            path.replace(run.published(suffix))
        with atomic_path(run.published(MANIFEST)) as temporary:
            temporary.write_text(text, encoding="utf-8")
        retire_other_audio_json(run)
    except OSError as error:
        raise StorageError(f"{run.output} does not take the published files: {error.strerror or error}") from error
    log.info("Publié: %s (%s)", run.published(MANIFEST), verdict)
    return Published(run.published(MANIFEST), json.loads(text))


def write_exchange_formats(run: Run, outcome: Outcome, folder: Path) -> dict[str, Path]:
    """The formats that others read: the JSON of STEP5, and RTTM."""
    grid, name = run.media.grid, run.media.path.name
    found = outcome.diarization
    table = folder / f"audio{run.audio_json_suffix}"
    frames = rows(found.turns, found.scores, grid)
    audio_json.write(table, frames, video_filename=name, total_frames=grid.count, fps=grid.fps)
    rttm.write(folder / "turns.rttm", found.turns, run.stem)
    return {run.audio_json_suffix: table, ".rttm": folder / "turns.rttm"}


def write_report(report: DriftReport, folder: Path) -> Path:
    """The whole drift report."""
    path = folder / "drift.json"
    with atomic_path(path) as temporary:
        temporary.write_text(report.to_json(), encoding="utf-8")
    return path


def describe(run: Run, outcome: Outcome, staged: StagedTimeline, files: Mapping[str, Path]) -> dict[str, Any]:
    """What was published, from what and by what: the part of the manifest that does not depend on the verdict."""
    return {
        **staged.metadata,
        "run_key": run.key,
        "device": {**outcome.facts(), "planned": run.plan.facts()},
        "files": {
            run.published(suffix).name: {"sha256": sha256_of(path), "bytes": path.stat().st_size}
            for suffix, path in files.items()
        },
    }


def retire_other_audio_json(run: Run) -> None:
    """Remove the `_audio.json` of an earlier publication that was (not) gzipped: nobody must read it by mistake."""
    other = {"_audio.json": "_audio.json.gz", "_audio.json.gz": "_audio.json"}[run.audio_json_suffix]
    run.published(other).unlink(missing_ok=True)


def refuse(run: Run, report: DriftReport) -> DriftError:
    """Keep both timelines and the drift report where no reader looks, for a person to inspect.

    Returns:
        The error that the run must end with; it names the worst criterion with its value and limit.

    Raises:
        StorageError: the folder cannot be written.
    """
    write_report(report, run.staging)
    try:
        run.refused.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(run.refused, ignore_errors=True)
        shutil.copytree(run.staging, run.refused, ignore=shutil.ignore_patterns("*.f32"))
    except OSError as error:
        raise StorageError(f"{run.refused} could not be written: {error.strerror or error}") from error
    located = f" {report.localisation.sentence}" if report.localisation else ""
    return DriftError(f"{report.sentence}{located} Nothing was published; both timelines are in {run.refused}")


find_published_task = task(name="find-published", cache_policy=NO_CACHE)(find_published)
publish_task = task(name="publish", cache_policy=NO_CACHE)(publish)
refuse_task = task(name="refuse", cache_policy=NO_CACHE)(refuse)

"""Refusal: nothing is published, and what a person needs to see why is kept where no reader looks."""

import logging
import shutil

from tasks.engine.core.choices import Verdict
from tasks.engine.core.errors import DriftError, StorageError
from tasks.engine.gate.drift_report import DriftReport
from tasks.engine.publishing.manifest import load_verified_manifest, proved_by_sample
from tasks.engine.publishing.names import MANIFEST, PAGE
from tasks.engine.system.atomic import disk_in_force, make_folder
from tasks.orchestration.stage import stage
from tasks.publish import write_report
from tasks.records.diagnostics import record
from tasks.run import Run

log = logging.getLogger("step4.publish")


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
        f"{report.sentence}{located} Nothing was published; both timelines are in {run.refused}, shown in its {PAGE}. "
        "Needed now: On drift = substitute (--on-drift substitute) publishes the CPU's"
    )


def retire_what_is_not_proved(run: Run) -> None:
    """Move an earlier publication out of readers' sight, unless it was proved and still describes the video.

    What the video was before describes something else; what was published unverified, or in spite of a drift, was
    never proved, and what was proved by sample never as a whole: now there is reason to doubt it.
    """
    path = run.published(MANIFEST)
    manifest = load_verified_manifest(path)
    whole = manifest is not None and not proved_by_sample(manifest)
    proved = manifest is not None and whole and manifest["verdict"] in {Verdict.COHERENT, Verdict.REFERENCE}
    if manifest is None or (proved and manifest["source"]["sha256"] == run.media.sha256):
        return
    retired = run.refused / "previous"
    make_folder(retired)
    for name in (path.name, *manifest["files"]):
        if (run.output / name).exists():  # a copy may have been used up
            disk_in_force().replace(run.output / name, retired / name)
    log.warning("The earlier publication was not proved for this content: moved to %s", retired)


refuse_task = stage("refuse")(refuse)

"""Many videos: which of them need a run, every one its turn, and the worst first in the end."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.settings import PREFECT_API_URL

from profiles.settings import Configuration
from tasks.engine.batch.discovery import DiscoveredVideo, find_videos, mark_current, refuse_shared_names, require_places
from tasks.engine.batch.outcomes import BatchTotals, VideoOutcome, failed
from tasks.engine.core.errors import DriftError, Step4Error
from tasks.engine.models.registry import identity
from tasks.engine.publishing.manifest import refusal_excess
from tasks.orchestration.connection import best_effort
from tasks.run import request_key

log = logging.getLogger("step4.batch")

SHOWN_ROWS = 500
"""Failures in the table on the server: a page, not an archive. `--json` holds all of them."""


def plan(places: Iterable[Path], output: Path | None, configuration: Configuration) -> Iterator[DiscoveredVideo]:
    """Every video in or below the places, with whether it needs a run, found while the batch advances.

    Raises:
        UsageError: a place does not exist.
        ModelError: the models cannot be read; without their checksums nobody knows what is current.
    """
    places = list(places)
    require_places(places)
    wanted = request_key(configuration, identity(configuration.models))
    found = find_videos(places)
    return mark_current(refuse_shared_names(found) if output else found, output, wanted)


def settled(one: DiscoveredVideo) -> VideoOutcome | None:
    """The end of a video that needs no run, or cannot have one."""
    if one.error:
        return failed(str(one.video), one.error)
    return VideoOutcome(str(one.video), current=True) if one.current else None


def run_here(
    found: Iterable[DiscoveredVideo], start: Callable[[Path], Mapping[str, Any]], output: Path | None = None
) -> BatchTotals:
    """Run the videos in this process, one after the other, with models that are loaded once.

    Args:
        found: as from `plan`.
        start: the flow of one video; gives the manifest.
        output: where `start` publishes, None for beside each video.
    """
    tally = BatchTotals()
    for one in found:
        ended = settled(one) or attempt(one.video, start, output)
        tally.add(ended)
        announce(ended)
    return tally


def attempt(video: Path, start: Callable[[Path], Mapping[str, Any]], output: Path | None) -> VideoOutcome:
    """Run one video and tell how it ended, whatever happened: the next one must have its turn."""
    try:
        return VideoOutcome(str(video), verdict=str(start(video)["verdict"]))
    except DriftError as error:
        return failed(str(video), error, refusal_excess(video, output))
    except Step4Error as error:
        return failed(str(video), error)
    except Exception as error:
        log.exception("%s: unexpected error", video.name)
        return failed(str(video), error)


def announce(ended: VideoOutcome) -> None:
    """A line per video that ran or could not, as it ends."""
    if ended.exit_code:
        log.error("%s: %s", ended.video, ended.error)
    elif not ended.current:
        log.info("%s: %s", ended.video, ended.verdict)


def handed_over(*, here: bool) -> bool:
    """Does a server hand the runs to workers? Not without one, and not where they are wanted in this process."""
    return bool(PREFECT_API_URL.value()) and not here


def conclude(tally: BatchTotals, *, partial_success_ok: bool) -> dict[str, Any]:
    """Report the worst first, in the log and as an artifact.

    Raises:
        BatchError: videos failed, and either none has a timeline or that is not enough (AUDIO_PARTIAL_SUCCESS_OK).
    """
    report = tally.report(partial_success_ok=partial_success_ok)
    log.info(
        "Batch: %d vidéo(s), %d déjà à jour, %d publiée(s), %d en échec",
        report["videos"],
        report["current"],
        tally.published.total(),
        report["failed"],
    )
    publish_table(report)
    failure = tally.failure(partial_success_ok=partial_success_ok)
    if failure:
        raise failure
    return report


def publish_table(report: Mapping[str, Any]) -> None:
    """The failures as a table on the server; it exists before the run fails."""
    rows = [
        {"video": one["video"], "exit code": one["exit_code"], "error": one["error"], "run": one["run"] or ""}
        for one in report["failures"][:SHOWN_ROWS]
    ]
    published = ", ".join(f"{count} {verdict}" for verdict, count in report["published"].items()) or "none"
    counts = f"{report['videos']} videos: {report['current']} current before, published now: {published}, "
    with best_effort("The table of the batch"):
        create_table_artifact(
            table=rows or [{"video": "", "exit code": 0, "error": "none failed", "run": ""}],
            key="step4-batch",
            description=f"{counts}{report['failed']} failed, the worst first.",
        )


conclude_task = task(name="conclude", cache_policy=NO_CACHE)(conclude)

"""Many videos: which of them need a run, every one its turn, and the worst first in the end."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import tee, zip_longest
from pathlib import Path
from typing import Any

from profiles.settings import Configuration
from tasks.engine.batch.discovery import DiscoveredVideo, find_videos, mark_current, refuse_shared_names, require_places
from tasks.engine.batch.outcomes import BatchTotals, VideoOutcome, failed
from tasks.engine.core.errors import DriftError, Step4Error
from tasks.engine.models.registry import identity
from tasks.engine.publishing.manifest import refusal_excess
from tasks.orchestration.artifacts import show_table
from tasks.orchestration.connection import server_named
from tasks.orchestration.run_names import name_ending
from tasks.orchestration.stage import stage
from tasks.requests import request_keys

log = logging.getLogger("step4.batch")

SHOWN_ROWS = 500
"""Failures in the table on the server: a page, not an archive. `--json` holds all of them."""


def plan(places: Iterable[Path], output: Path | None, configuration: Configuration) -> Iterator[DiscoveredVideo]:
    """Yield every video in or below the places, with whether it needs a run, while the batch advances.

    Raises:
        UsageError: a place does not exist.
        ModelError: the models cannot be read; without their checksums nobody knows what is current.
    """
    places = list(places)
    require_places(places)
    wanted = request_keys(configuration, identity(configuration.models))
    videos = find_videos(places)
    return mark_current(refuse_shared_names(videos) if output else videos, output, wanted)


def settled(entry: DiscoveredVideo) -> VideoOutcome | None:
    """Return the outcome of a video that needs no run, or cannot have one; None for any other."""
    if entry.error:
        return failed(str(entry.video), entry.error)
    return VideoOutcome(str(entry.video), current=True) if entry.current else None


def run_here(
    videos: Iterable[DiscoveredVideo],
    start: Callable[[Path], Mapping[str, Any]],
    output: Path | None = None,
    prepare: Callable[[Path], None] = lambda _video: None,
) -> BatchTotals:
    """Run the videos in this process, one after the other, with models that are loaded once.

    Args:
        videos: as from `plan`.
        start: the run of one video; gives the manifest.
        output: where `start` publishes, None for beside each video.
        prepare: told the next video that needs a run before this one's begins.
    """
    totals = BatchTotals()
    entries, upcoming = tee(videos)
    next(upcoming, None)
    for entry, following in zip_longest(entries, upcoming):
        outcome = settled(entry)
        if outcome is None:
            if following and settled(following) is None:
                prepare(following.video)
            outcome = attempt(entry.video, start, output)
        totals.add(outcome)
        announce(outcome)
    return totals


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


def announce(outcome: VideoOutcome) -> None:
    """Log a line for a video that ran or could not, as it ends."""
    if outcome.exit_code:
        log.error("%s: %s", outcome.video, outcome.error)
    elif not outcome.current:
        log.info("%s: %s", outcome.video, outcome.verdict)


def handed_over(*, here: bool) -> bool:
    """Tell whether a server hands the runs to workers: not without one, and not where `here` is asked for."""
    return not here and server_named()


def conclude(totals: BatchTotals, *, partial_success_ok: bool) -> dict[str, Any]:
    """Report the worst first, in the log and as an artifact.

    Raises:
        BatchError: videos failed, and either none has a timeline or that is not enough (AUDIO_PARTIAL_SUCCESS_OK).
    """
    report = totals.report(partial_success_ok=partial_success_ok)
    log.info(
        "Batch: %d video(s), %d current, %d published, %d failed",
        report["videos"],
        report["current"],
        totals.published.total(),
        report["failed"],
    )
    publish_table(report)
    ended = f"{report['failed']} of {report['videos']} failed" if report["failed"] else f"{report['videos']} current"
    name_ending(ended)
    failure = totals.failure(partial_success_ok=partial_success_ok)
    if failure:
        raise failure
    return report


def publish_table(report: Mapping[str, Any]) -> None:
    """Leave the failures as a table on the server, before the run fails."""
    rows = [
        {
            "video": failure["video"],
            "exit code": failure["exit_code"],
            "error": failure["error"],
            "run": failure["run"] or "",
        }
        for failure in report["failures"][:SHOWN_ROWS]
    ]
    published = ", ".join(f"{count} {verdict}" for verdict, count in report["published"].items()) or "none"
    counts = f"{report['videos']} videos: {report['current']} current before, published now: {published}, "
    nothing = [{"video": "", "exit code": 0, "error": "none failed", "run": ""}]
    show_table("step4-batch", rows or nothing, f"{counts}{report['failed']} failed, the worst first.")


conclude_task = stage("conclude")(conclude)

"""A flow run per video for the workers of a server: bounded in flight, resumable, crashed ones tried again."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any, Self
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, FlowRunFilterIdempotencyKey
from prefect.client.schemas.objects import FlowRun, State
from prefect.deployments import arun_deployment
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, PREFECT_UI_URL, temporary_settings

from tasks.batch import announce, settled
from tasks.engine.batch.discovery import DiscoveredVideo
from tasks.engine.batch.outcomes import BatchTotals, VideoOutcome, failed_elsewhere
from tasks.engine.core.credentials import shown_address
from tasks.engine.core.errors import DriftError, EngineError, StorageError, UsageError
from tasks.engine.inference.result_store import digest
from tasks.engine.publishing.manifest import load_manifest, manifest_path, refusal_excess
from tasks.orchestration.stage import stage

log = logging.getLogger("step4.batch")

MAX_IN_FLIGHT = 200
"""One page of the server's API. More waiting runs would also starve a queue with a concurrency limit."""
POLL_SEC = 2.0
CRASHES = 2
"""How often a run whose process died is tried again; a third death is the video's own doing."""
CLIENT_RETRIES = 8
"""With pauses that double: a server may be away for eight minutes."""


@dataclass(frozen=True, slots=True)
class Submission:
    """Which deployment takes the runs, and with what.

    Attributes:
        deployment: `flow name/deployment name`.
        parameters: of every run, beside the video.
        in_flight: runs on the server at a time, waiting ones included.
        poll_sec: between two looks at them.
    """

    deployment: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    in_flight: int = 16
    poll_sec: float = POLL_SEC

    @property
    def output(self) -> Path | None:
        """Where the runs publish."""
        folder = self.parameters.get("output")
        return Path(folder) if folder else None

    def with_parameters(self, output: Path | None, settings: Mapping[str, Any]) -> Self:
        """Return the same with the parameters of its runs, as a form would send them: what is not said is left out."""
        said = {**settings, "output": str(output.absolute()) if output else None}
        return replace(self, parameters={name: as_sent(value) for name, value in said.items() if value is not None})

    def identity(self, video: Path) -> str:
        """Names the work in idempotency keys: the file as it is now, and everything that is asked of the run.

        Size and time of change stand for the content, which a run reads anyway: hashing ten thousand videos first
        would read all of them twice.
        """
        stat = video.stat()
        asked = dict(sorted(self.parameters.items()))
        return digest([self.deployment, str(video), stat.st_size, stat.st_mtime_ns, asked])


def as_sent(value: Any) -> Any:  # noqa: ANN401  # a parameter
    """Return a parameter's value as the deployment's form knows it: a setting is yes, no, or left to the worker."""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value


@dataclass(slots=True)
class InFlightRuns:
    """Runs on the server that have not ended, and where their ends are counted.

    Attributes:
        totals: of those that have ended.
        runs: flow run id to (video, crashes so far).
        ended: how many videos have ended, those included that needed no run.
        said: what was last said of them all.
    """

    totals: BatchTotals = field(default_factory=BatchTotals)
    runs: dict[UUID, tuple[Path, int]] = field(default_factory=dict)
    ended: int = 0
    said: str = ""

    def end(self, ended: VideoOutcome) -> None:
        """Count and announce one end."""
        self.totals.add(ended)
        self.ended += 1
        announce(ended)

    def say(self, running: int, address: str) -> None:
        """Log how far the batch is, where that has changed."""
        found, waiting = self.ended + len(self.runs), len(self.runs) - running
        said = f"{self.ended} of {found} videos found so far have ended, {running} running, {waiting} waiting"
        if said != self.said:
            self.said = said
            log.info("%s: %s", said, shown_address(address))


def submit_runs(videos: Iterable[DiscoveredVideo], submission: Submission) -> BatchTotals:
    """Start a flow run per video that needs one and wait for all of them, at most `in_flight` at a time.

    A batch that was killed finds its own runs again by their idempotency keys; see `submit`.

    Raises:
        UsageError: the server knows no such deployment.
    """
    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: CLIENT_RETRIES}):
        return asyncio.run(submit_and_collect(videos, submission))


async def submit_and_collect(videos: Iterable[DiscoveredVideo], submission: Submission) -> BatchTotals:
    """Run `submit_runs` with one client for all calls: once connected, it waits for a server that restarts."""
    waiting = InFlightRuns()
    bound = min(submission.in_flight, MAX_IN_FLIGHT)
    async with get_client() as client:
        await require_deployment(client, submission.deployment)
        for entry in videos:
            outcome = settled(entry)
            if outcome:
                waiting.end(outcome)
                continue
            await start(client, submission, waiting, entry.video)
            while len(waiting.runs) >= bound:
                await collect(client, submission, waiting)
        while waiting.runs:
            await collect(client, submission, waiting)
    return waiting.totals


async def require_deployment(client: PrefectClient, name: str) -> None:
    """Ask for the deployment before the first video.

    Raises:
        UsageError: there is none of that name.
    """
    try:
        await client.read_deployment_by_name(name)
    except (ObjectNotFound, ValueError) as error:
        server = shown_address(PREFECT_API_URL.value() or "")
        raise UsageError(
            f"{server} has no deployment {name!r}: deploy it, choose another with --deployment, "
            "or run the batch in this process with --here"
        ) from error


async def start(
    client: PrefectClient, submission: Submission, waiting: InFlightRuns, video: Path, crashes: int = 0
) -> None:
    """Hand one video over and wait for it; one that vanished meanwhile ends here."""
    try:
        run = await submit(client, submission, video)
    except OSError as error:
        waiting.end(VideoOutcome(str(video), StorageError.exit_code, f"{video} vanished: {error.strerror or error}"))
        return
    waiting.runs[run.id] = (video, crashes)


async def submit(client: PrefectClient, submission: Submission, video: Path) -> FlowRun:
    """Return the flow run of this work that has not ended: one that is under way, else a new one.

    The idempotency key is the work's identity and an attempt number. The server answers a known key with the run that
    has it, so two batches, or one that was killed and started again, get the same run. A run that has ended without
    leaving a current timeline used up its attempt, and the next number starts another.
    """
    identity = submission.identity(video)
    attempt = 0
    while True:
        run = await arun_deployment(
            submission.deployment,
            client=client,
            parameters={"video": str(video), **submission.parameters},
            timeout=0,
            idempotency_key=f"{identity}-{attempt}",
            tags=["step4-batch"],
            as_subflow=False,
        )
        if run.state is None or not run.state.is_final():
            return run
        attempt = await next_attempt(client, identity, attempt)


async def next_attempt(client: PrefectClient, identity: str, used: int) -> int:
    """Return the first attempt number above a used one that no run has, or that a run has which may not have ended."""
    keys = {f"{identity}-{number}": number for number in range(used, used + MAX_IN_FLIGHT)}
    some = FlowRunFilter(idempotency_key=FlowRunFilterIdempotencyKey(any_=list(keys)))
    runs = await client.read_flow_runs(flow_run_filter=some, limit=MAX_IN_FLIGHT)
    ended = {keys[run.idempotency_key or ""] for run in runs if run.state and run.state.is_final()}
    return next(number for number in count(used + 1) if number not in ended)


async def collect(client: PrefectClient, submission: Submission, waiting: InFlightRuns) -> None:
    """Wait a moment, then count the runs that have ended and try crashed ones again."""
    await asyncio.sleep(submission.poll_sec)
    some = FlowRunFilter(id=FlowRunFilterId(any_=list(waiting.runs)))
    states = {run.id: run.state for run in await client.read_flow_runs(flow_run_filter=some, limit=MAX_IN_FLIGHT)}
    running = sum(state is not None and state.is_running() for state in states.values())
    waiting.say(running, PREFECT_UI_URL.value() or PREFECT_API_URL.value() or "")
    for run, (video, crashes) in list(waiting.runs.items()):
        state = states.get(run)
        if run in states and (state is None or not state.is_final()):
            continue
        del waiting.runs[run]
        if state is not None and state.is_crashed() and crashes < CRASHES:
            log.warning("%s: its process died, tried again (%s)", video.name, state.message)
            await start(client, submission, waiting, video, crashes + 1)
        else:
            waiting.end(replace(end_of(video, submission.output, state), run=str(run)))


def end_of(video: Path, output: Path | None, state: State[Any] | None) -> VideoOutcome:
    """Say how a run on the server ended, by its last state; None where somebody deleted it."""
    if state is None:
        return VideoOutcome(str(video), 1, "its flow run was deleted before it ended")
    if state.is_completed():
        return published(video, output)
    if state.is_crashed():
        return VideoOutcome(str(video), EngineError.exit_code, f"its process died {CRASHES + 1} times: {state.message}")
    ended = failed_elsewhere(str(video), state.message or f"its flow run ended {state.name}")
    drifted = ended.exit_code == DriftError.exit_code
    return replace(ended, excess=refusal_excess(video, output)) if drifted else ended


def published(video: Path, output: Path | None) -> VideoOutcome:
    """Return the outcome of a completed run: its manifest must be visible here, or a batch would run it again."""
    path = manifest_path(video, output)
    manifest = load_manifest(path)
    if manifest is None:
        hidden = f"its run completed, but {path} cannot be read here: do workers and batch share the folder?"
        return VideoOutcome(str(video), StorageError.exit_code, hidden)
    return VideoOutcome(str(video), verdict=str(manifest.get("verdict")))


submit_runs_task = stage("hand-over")(submit_runs)

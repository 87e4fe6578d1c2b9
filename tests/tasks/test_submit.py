"""Handing runs to a server: a real server, whose runs this test ends as workers would."""

import asyncio
import contextvars
import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any
from unittest.mock import AsyncMock, MagicMock
from uuid import uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun, State
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelled, Completed, Crashed, Failed

from profiles.settings import Configuration
from tasks.engine.batch.discovery import find_videos
from tasks.engine.batch.outcomes import BatchTotals, VideoOutcome
from tasks.engine.core.errors import UsageError
from tasks.submit import InFlightRuns, Submission, require_deployment, submit_runs

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_server", "clean_settings")]

Worker = Callable[[FlowRun], State[Any] | None]


@pytest.fixture
def deployment(request: pytest.FixtureRequest) -> str:
    """A deployment of this test's own, that nobody serves."""

    @flow(name="one-video")
    def one_video(video: str, output: str | None = None) -> None:
        """What it does is played by the test."""

    name = request.node.name.replace("[", "-").replace("]", "")
    with get_client(sync_client=True) as client:
        client.create_deployment(client.create_flow(one_video), name)
    return f"one-video/{name}"


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """Five files named like videos."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.mp4").write_bytes(bytes([number]))
    return folder


def runs_of(deployment: str) -> list[FlowRun]:
    """All runs of a deployment, oldest first."""
    with get_client(sync_client=True) as client:
        found = client.read_deployment_by_name(deployment)
        some = DeploymentFilter(id=DeploymentFilterId(any_=[found.id]))
        return sorted(client.read_flow_runs(deployment_filter=some), key=lambda run: str(run.created))


@contextmanager
def worker(deployment: str, act: Worker, seen: list[int] | None = None) -> Iterator[None]:
    """End the deployment's runs as told, each once, in a thread; `seen` gets how many were under way at a time."""
    stop = Event()

    def work() -> None:
        while not stop.is_set():
            open_runs = [run for run in runs_of(deployment) if run.state and not run.state.is_final()]
            if seen is not None:
                seen.append(len(open_runs))
            for run in open_runs[:1]:
                state = act(run)
                if state:
                    with get_client(sync_client=True) as client:
                        client.set_flow_run_state(run.id, state, force=True)
            time.sleep(0.02)

    thread = Thread(target=contextvars.copy_context().run, args=(work,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def publish(run: FlowRun) -> State[Any]:
    """Play a run that publishes."""
    video = Path(run.parameters["video"])
    video.with_name(f"{video.stem}_step4.json").write_text(json.dumps({"verdict": "coherent"}))
    return Completed()


def handed(inbox: Path, deployment: str, in_flight: int = 3) -> BatchTotals:
    """Hand over every video of the inbox."""
    return submit_runs(find_videos([inbox]), Submission(deployment, in_flight=in_flight, poll_sec=0.02))


def test_never_more_runs_than_asked_for_are_under_way(inbox: Path, deployment: str) -> None:
    """Five videos, two in flight: all five end published, and no look at the server saw a third."""
    seen: list[int] = []

    def once_two_are_under_way(run: FlowRun) -> State[Any] | None:
        return publish(run) if seen[-1] >= 2 or len(runs_of(deployment)) == 5 else None

    with worker(deployment, once_two_are_under_way, seen):
        tally = handed(inbox, deployment, in_flight=2)

    assert tally.published == {"coherent": 5}
    assert max(seen) == 2
    assert sorted(Path(run.parameters["video"]).name for run in runs_of(deployment)) == [f"{n}.mp4" for n in range(5)]


def test_failures_carry_the_exit_code_of_the_error_and_the_run(inbox: Path, deployment: str) -> None:
    """The state's message tells what was raised in the other process; a person's cancellation is a failure too."""
    ends = {
        "0.mp4": Failed(message="drift: 1 of 9 criteria failed. (exit code 3)"),
        "1.mp4": Failed(message="cut short (exit code 4)"),
        "2.mp4": Cancelled(),
        "3.mp4": Completed(),
    }
    with worker(deployment, lambda run: ends.get(Path(run.parameters["video"]).name) or publish(run)):
        tally = handed(inbox, deployment)

    codes = {Path(one.video).name: one.exit_code for one in tally.failures}
    assert codes == {"0.mp4": 3, "1.mp4": 4, "2.mp4": 1, "3.mp4": 6}
    assert tally.published == {"coherent": 1}
    assert {one.run for one in tally.failures} <= {str(run.id) for run in runs_of(deployment)}


def test_a_crashed_run_is_tried_again_twice(inbox: Path, deployment: str) -> None:
    """A lost process is no verdict: the second attempt may publish; three deaths are a failure of exit code 5."""
    deaths = {"0.mp4": 3, "1.mp4": 1}

    def act(run: FlowRun) -> State[Any]:
        name = Path(run.parameters["video"]).name
        if deaths.get(name, 0):
            deaths[name] -= 1
            return Crashed(message="status code: -9")
        return publish(run)

    with worker(deployment, act):
        tally = handed(inbox, deployment)

    assert tally.published == {"coherent": 4}
    assert [(Path(one.video).name, one.exit_code) for one in tally.failures] == [("0.mp4", 5)]
    assert "3 times" in tally.failures[0].error
    assert len(runs_of(deployment)) == 5 + 2 + 1


def test_runs_under_way_are_found_again_and_failed_ones_get_a_new_attempt(inbox: Path, deployment: str) -> None:
    """A batch started again adopts what an earlier one handed over, and a video that failed is tried once more."""
    with worker(deployment, lambda _: Failed(message="busy (exit code 4)")):
        assert len(handed(inbox, deployment).failures) == 5
    before = {run.id for run in runs_of(deployment)}
    # What a killed batch leaves behind: runs that are handed over and have not ended.
    with get_client(sync_client=True) as client:
        found = client.read_deployment_by_name(deployment)
        submission = Submission(deployment)
        left = client.create_flow_run_from_deployment(
            found.id,
            parameters={"video": str(inbox / "0.mp4")},
            idempotency_key=f"{submission.identity(inbox / '0.mp4')}-1",
        )

    def once_all_are_there(run: FlowRun) -> State[Any] | None:
        return publish(run) if len(runs_of(deployment)) >= len(before) + 5 else None

    with worker(deployment, once_all_are_there):
        tally = handed(inbox, deployment, in_flight=9)
    new = {run.id for run in runs_of(deployment)} - before

    assert tally.published == {"coherent": 5}
    assert left.id in new
    assert len(new) == 5


def test_a_changed_video_is_other_work(inbox: Path) -> None:
    """Name, size, time of change and parameters make the key; anything else would join two different runs."""
    video = inbox / "0.mp4"
    keys = {Submission("a/b").identity(video), Submission("a/b", {"profile": "cpu"}).identity(video)}
    video.write_bytes(b"longer")
    keys |= {Submission("a/b").identity(video), Submission("a/c").identity(video)}

    assert len(keys) == 4


def test_runs_are_asked_for_as_a_form_would() -> None:
    """The deployment's form knows yes and no, and nothing that is null."""
    settings = {"profile": "cpu", "exclusive": False, "accept_truncated": True, "audio_track": None}
    sent = Submission("a/b").with_parameters(Path("/out"), settings).parameters

    assert sent == {"profile": "cpu", "exclusive": "no", "accept_truncated": "yes", "output": "/out"}


def test_a_batchs_runs_are_such_as_the_form_takes() -> None:
    """Whatever a batch resolved, the server takes it for a run of `manual`."""
    from prefect.utilities.callables import parameter_schema
    from prefect.utilities.schema_tools.validation import validate

    from flows.audio_analysis import audio_analysis

    asked = Configuration.resolve({"exclusive": True}, env_file=None).asked()
    sent = Submission("a/b").with_parameters(None, asked).parameters
    schema = parameter_schema(audio_analysis).model_dump()

    assert validate({"video": "/a.mp4", **sent}, schema, raise_on_error=True) == []


def test_a_deployment_that_is_not_there_is_a_wrong_request(inbox: Path) -> None:
    """The error says what can be done about it."""
    with pytest.raises(UsageError, match="--here"):
        handed(inbox, "one-video/nobody")


def test_a_video_that_vanishes_is_that_videos_failure(inbox: Path, deployment: str) -> None:
    """Found, then removed before its turn: the others go on."""
    found = find_videos([inbox])
    one = next(found)
    one.video.unlink()
    (inbox / "1.mp4").unlink()

    with worker(deployment, publish):
        tally = submit_runs(found, Submission(deployment, poll_sec=0.02))

    assert [(Path(end.video).name, end.exit_code) for end in tally.failures] == [("1.mp4", 6)]
    assert tally.published == {"coherent": 3}


def test_a_batch_says_how_far_it_is_when_that_changes(caplog: pytest.LogCaptureFixture) -> None:
    """Ended, running and waiting, of those found so far, and where to look; the same is not said twice."""
    batch = InFlightRuns(runs={uuid4(): (Path(f"{number}.mp4"), 0) for number in range(3)})
    with caplog.at_level(logging.INFO, "step4"):
        batch.end(VideoOutcome("done.mp4", current=True))
        for running in (1, 1, 2):
            batch.say(running, "http://127.0.0.1:4200")

    assert caplog.messages == [
        "1 of 4 videos found so far have ended, 1 running, 2 waiting: http://127.0.0.1:4200",
        "1 of 4 videos found so far have ended, 2 running, 1 waiting: http://127.0.0.1:4200",
    ]


def test_the_servers_address_is_shown_without_its_password(caplog: pytest.LogCaptureFixture) -> None:
    """In the lines that say how far a batch is, and where a deployment is missing."""
    address = "http://me:hidden@127.0.0.1:9/api"
    caplog.set_level(logging.INFO, "step4")
    client = MagicMock(read_deployment_by_name=AsyncMock(side_effect=ValueError("none")))

    InFlightRuns().say(0, address)
    with temporary_settings({PREFECT_API_URL: address}), pytest.raises(UsageError, match="has no deployment") as caught:
        asyncio.run(require_deployment(client, "one-video/none"))

    assert caplog.messages[-1].endswith("http://127.0.0.1:9/api")
    assert str(caught.value).startswith("http://127.0.0.1:9/api has no deployment")

"""Progress of a run in the UI: one bar that only grows, does not flood the server, and says how the run ended."""

from uuid import UUID, uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.runtime import flow_run

from tasks.engine.dependencies import Dependencies
from tasks.orchestration.progress import ProgressBar, overall, shown_progress


class Sent(ProgressBar):
    """A bar that keeps what it would send."""

    def _send(self, text: str) -> None:
        self.artifact = self.artifact or UUID(int=1)
        self.sent = [*getattr(self, "sent", []), (round(self.percent), text)]


def test_the_bar_never_falls_when_another_step_begins() -> None:
    """Segmentation, embeddings, then a reference that nobody announced: the bar stands still meanwhile."""
    now = [0.0]
    bar = Sent(lambda: now[0])
    roles, parts = ("candidate", "reference"), ("segmentation", "embeddings")
    steps = [(role, step, done) for role in roles for step in parts for done in (50, 100)]
    for role, step, done in steps:
        now[0] += 11
        bar.report(f"{role}: {step}", done, 100)
    shown = [percent for percent, _ in bar.sent]

    assert shown == sorted(shown)
    assert shown[0] == 12
    assert shown[-1] == 99


@pytest.mark.parametrize(("failed", "last"), [(False, (100, "done")), (True, (25, "stopped at 25 %"))])
def test_the_end_is_shown(failed: bool, last: tuple[int, str]) -> None:
    """Full where the run is done, marked where it failed; a run too short for a bar gets none at its end."""
    now = [0.0]
    bar, short = Sent(lambda: now[0]), Sent(lambda: now[0])
    short.report("candidate: segmentation", 1, 1)
    now[0] = 11.0
    bar.report("candidate: segmentation", 1, 1)
    for one in (bar, short):
        one.end(stopped=failed)

    assert bar.sent[-1] == last
    assert not hasattr(short, "sent")


def test_loading_models_is_named_and_weighs_nothing() -> None:
    """Nobody knows beforehand how long it takes."""
    assert overall({"candidate: loading models": 100}) == 0
    assert overall({}) == 0
    parts = ("loading models", "segmentation", "embeddings")
    assert overall({f"candidate: {part}": 100 for part in parts}) == 100


def test_whoever_watches_already_goes_on_watching() -> None:
    """Without a server nothing is changed."""
    dependencies = Dependencies()
    with shown_progress(dependencies) as watched:
        assert watched is dependencies


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
def test_the_server_is_told_every_ten_seconds_at_most() -> None:
    """A thousand reports in twenty-five seconds leave one artifact, which was told three times, its end included."""
    now = [0.0]

    @flow(name=f"progress-{uuid4()}")
    def run() -> str:
        bar = ProgressBar(lambda: now[0])
        for step in range(1, 1001):
            now[0] = step * 0.025
            bar.report("candidate: segmentation", step, 1000)
        bar.end(stopped=False)
        return str(flow_run.id)

    owner = run()
    with get_client(sync_client=True) as client:
        mine = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[owner]))
        shown = client.read_artifacts(artifact_filter=mine)

    assert [(one.type, one.data, one.description) for one in shown] == [("progress", 100.0, "done")]

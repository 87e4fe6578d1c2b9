"""What a run shows on the server: nothing that could break the page, and progress that does not flood it."""

from uuid import uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.runtime import flow_run

from tasks.orchestration.artifacts import LARGEST_PICTURE, image, key, plain, shown_progress


@pytest.mark.parametrize(
    ("stem", "expected"), [("Clip_01 (final)", "criteria-clip-01-final"), ("été", "criteria-t"), ("東京", "criteria")]
)
def test_keys_hold_what_prefect_takes(stem: str, expected: str) -> None:
    """Lowercase letters, digits and dashes, whatever the video is called."""
    assert key("criteria", stem) == expected


def test_names_are_never_markup() -> None:
    """A file's name cannot bring HTML, an image or a table cell into the page."""
    assert plain("<img src=x>|![a](b)") == r"\<img src=x\>\|!\[a\](b)"


def test_a_picture_too_large_is_left_out() -> None:
    """The server's database keeps every artifact."""
    assert "too large" in image(b"0" * (LARGEST_PICTURE + 1))
    assert image(b"png").startswith("![who speaks when](data:image/png;base64,")


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
def test_progress_is_told_every_ten_seconds_at_most() -> None:
    """A thousand reports in twenty-five seconds leave one artifact, which was told twice and names every stage."""
    now = [0.0]

    @flow(name=f"progress-{uuid4()}")
    def run() -> str:
        report = shown_progress(lambda: now[0])
        for step in range(1, 1001):
            now[0] = step * 0.025
            report("candidate: segmentation", step, 1000)
        return str(flow_run.id)

    owner = run()
    with get_client(sync_client=True) as client:
        mine = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[owner]))
        shown = client.read_artifacts(artifact_filter=mine)

    assert [(one.type, one.description) for one in shown] == [("progress", "candidate: segmentation 80 %")]

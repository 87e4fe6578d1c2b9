"""Refusal: nothing is published, and what becomes of what was there."""

import json
import shutil
from pathlib import Path

import pytest
from media_samples import clip, noise
from scripted_runs import contents, drifting, publish

from tasks.engine.core.errors import DriftError

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("clean_settings")]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A clip in a folder of its own."""
    return clip(tmp_path / "clip.mkv")


def test_a_drift_publishes_nothing_and_keeps_both_sides(video: Path) -> None:
    """For a person to inspect, where no reader looks; the candidate's inference is forgotten."""
    networks = drifting()
    with pytest.raises(DriftError, match="Nothing was published"):
        publish(video, networks, gpu=True)
    refused = video.parent / ".step4" / "refused" / "clip"

    assert contents(video.parent).keys() == {"clip.mkv"}
    assert {path.name for path in refused.iterdir()} == {"candidate", "reference", "drift.json", "report.html"}
    with pytest.raises(DriftError):
        publish(video, networks, gpu=True)
    assert [plan.on_cpu for plan in networks.calls].count(False) == 2
    assert [plan.on_cpu for plan in networks.calls].count(True) == 1


def test_a_drift_leaves_what_was_proved(video: Path) -> None:
    """The earlier publication still describes the video: it stays."""
    publish(video)
    before = contents(video.parent)
    with pytest.raises(DriftError):
        publish(video, drifting(), gpu=True)

    assert contents(video.parent) == before


@pytest.mark.parametrize("why", ["unverified", "other content"])
def test_a_drift_retires_what_was_not(video: Path, tmp_path: Path, why: str) -> None:
    """Published without a comparison, or of what the video was before: moved out of readers' sight, and kept."""
    if why == "unverified":
        publish(video, gpu=True, reference="none")
        # Else the candidate's stored inference, which agrees, is what is compared.
        shutil.rmtree(video.parent / ".step4" / "inferences")
    else:
        publish(video)
        shutil.copy(clip(tmp_path / "elsewhere.mkv", noise()), video)
        (tmp_path / "elsewhere.mkv").unlink()
    with pytest.raises(DriftError):
        publish(video, drifting(), gpu=True)
    retired = video.parent / ".step4" / "refused" / "clip" / "previous"

    assert contents(video.parent).keys() == {"clip.mkv"}
    assert json.loads((retired / "clip_step4.json").read_text())["files"].keys() < {
        path.name for path in retired.iterdir()
    }

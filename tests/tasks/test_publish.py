"""Publication: what is found again, what is refused, and what becomes of what was there."""

import json
import shutil
from pathlib import Path

import pytest
from media_samples import clip, noise
from scripted_runs import TURNS, contents, publish

from tasks.engine.core.errors import DriftError, UsageError
from tasks.engine.core.turns import Turn
from tasks.engine.publishing.manifest import load_verified_manifest
from tasks.engine.testing import ScriptedDiarizer

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("clean_settings")]

OTHER = (Turn(0.2, 4.0, "SPEAKER_00"),)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A clip in a folder of its own."""
    return clip(tmp_path / "clip.mkv")


def drifting() -> ScriptedDiarizer:
    """A GPU that hears other turns than the CPU."""
    return ScriptedDiarizer(TURNS, candidate=OTHER)


def test_the_same_request_finds_its_own_publication(video: Path) -> None:
    """Nothing is computed and no file is touched; another setting is another request."""
    first, networks = publish(video), ScriptedDiarizer(TURNS)
    before = contents(video.parent)
    second = publish(video, networks)

    assert (first.already, second.already, networks.calls) == (False, True, [])
    assert contents(video.parent) == before
    assert not publish(video, networks, min_speech_ms=200).already


@pytest.mark.parametrize("name", ["clip_timeline.parquet", "clip_turns.parquet", "clip.rttm"])
def test_a_publication_that_is_not_whole_is_made_anew(video: Path, name: str) -> None:
    """A file that is missing, or is not what the manifest lists."""
    path = publish(video).path
    (video.parent / name).write_bytes(b"changed")

    assert load_verified_manifest(path) is None
    assert not publish(video).already
    assert load_verified_manifest(path) is not None


def test_a_format_that_is_no_longer_asked_for_goes(video: Path) -> None:
    """Nobody must read an older `_audio.json` beside a newer `_audio.json.gz`."""
    publish(video)
    publish(video, json_gzip=True)

    assert "clip_audio.json.gz" in contents(video.parent)
    assert "clip_audio.json" not in contents(video.parent)


def test_the_names_of_another_video_are_not_taken(video: Path) -> None:
    """While that one exists; a copy of the folder, whose video is elsewhere, is no reason to refuse."""
    publish(video)
    other = clip(video.with_suffix(".wav"))

    with pytest.raises(UsageError, match=r"was published for .*clip\.mkv"):
        publish(other)
    video.unlink()
    assert not publish(other).already


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


def test_a_substitute_is_published_as_the_reference(video: Path) -> None:
    """Never as a comparison that passed; the page of the drift is published with it."""
    manifest = publish(video, drifting(), gpu=True, on_drift="substitute").manifest

    assert (manifest["verdict"], manifest["substituted"]) == ("reference", True)
    assert manifest["device"]["device"] == "cpu"
    assert "clip_report.html" in manifest["files"]

"""Names of flow runs: before a run ends, and after."""

from pathlib import Path

import pytest
from media_samples import clip
from scripted_runs import TURNS, dependencies
from served import wait_for

from tasks.engine.dependencies import use_dependencies
from tasks.engine.testing import ScriptedDiarizer
from tasks.orchestration.run_names import name_ending, name_run, places

pytestmark = pytest.mark.usefixtures("clean_settings")


def names_of(video: Path) -> list[str]:
    """Names of the flow runs of a video, as the server has them."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        return [run.name for run in client.read_flow_runs() if run.parameters.get("video") == str(video)]


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize(("profile", "shown"), [("as configured", "gpu_fp32"), ("cpu_only", "cpu")])
def test_a_run_ends_with_its_verdict_in_its_name(tmp_path: Path, profile: str, shown: str) -> None:
    """`clip · gpu_fp32 · reference`: a list of runs shows how each ended, an alias by the profile's own name."""
    from flows.audio_analysis import audio_analysis

    video = clip(tmp_path / "clip.wav")
    with use_dependencies(dependencies(ScriptedDiarizer(TURNS))):
        audio_analysis(video, profile=profile)

    assert wait_for(lambda: names_of(video)) == [f"clip · {shown} · reference"]


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
def test_a_video_without_sound_is_no_success_like_any_other(tmp_path: Path) -> None:
    """What was never said agrees on every device: the name says that nothing was heard."""
    from flows.audio_analysis import audio_analysis

    video = clip(tmp_path / "mute.mp4", sound=[])
    with use_dependencies(dependencies(ScriptedDiarizer(TURNS))):
        audio_analysis(video)

    assert wait_for(lambda: names_of(video)) == ["mute · gpu_fp32 · no audio"]


@pytest.mark.parametrize(
    ("folders", "shown"), [(["/srv/inbox"], "inbox"), (["/"], "/"), (["/srv/a", "/srv/b", "c"], "a and 2 more")]
)
def test_folders_are_named_by_the_first(folders: list[str], shown: str) -> None:
    """A name has a line of a list to fit into."""
    assert places({"folders": folders}) == shown


def test_outside_a_flow_run_there_is_nothing_to_name() -> None:
    """No server is asked: nothing happens."""
    name_run("clip", "gpu_fp32", "coherent")
    name_ending("3 of 14 failed")

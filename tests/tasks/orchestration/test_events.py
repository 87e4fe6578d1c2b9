"""What a run tells the server: its events, its name, its artifacts. Real Prefect; only the networks are scripted."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from media_samples import clip, cut
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_API_URL, PREFECT_SERVER_EPHEMERAL_ENABLED, temporary_settings
from probing import probed_here
from served import artifacts, events

from flows.audio_analysis import audio_analysis
from tasks.engine.core.exception_map import device_failures
from tasks.engine.core.turns import Turn
from tasks.engine.dependencies import Dependencies, use_dependencies
from tasks.engine.testing import CPU_ONLY, ONE_GPU, ScriptedDiarizer, no_patching, nothing_to_load, sound_low_precision
from tasks.orchestration.connection import best_effort
from tasks.orchestration.events import ending_of

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_server", "clean_settings")]

TURNS = (Turn(0.5, 2.0, "SPEAKER_00"), Turn(1.8, 3.5, "SPEAKER_01"))
LOST = TURNS[:1]


@pytest.fixture(scope="session")
def five_seconds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A five-second video with sound."""
    return clip(tmp_path_factory.mktemp("master") / "clip.mp4")


@pytest.fixture
def video(five_seconds: Path, tmp_path: Path) -> Path:
    """A copy of it under a name that no other test's events bear."""
    return Path(shutil.copy(five_seconds, tmp_path / f"{uuid4().hex}.mp4"))


def start(video: Path, diarizer: Callable[..., Any], *, gpu: bool = True, **parameters: Any) -> State[Any]:
    """The flow's final state."""
    facts = ONE_GPU if gpu else CPU_ONLY
    dependencies = Dependencies(
        run_probe=probed_here,
        device_facts=lambda: facts,
        diarizer=diarizer,
        explainer=no_patching,
        check_low_precision=sound_low_precision,
        preload=nothing_to_load,
    )
    with use_dependencies(dependencies):
        state: State[Any] = audio_analysis(video, **parameters, return_state=True)
    return state


def name_of(state: State[Any]) -> str:
    """What the server calls the run."""
    with get_client(sync_client=True) as client:
        return client.read_flow_run(UUID(str(state.state_details.flow_run_id))).name


def event(kind: str, video: Path) -> dict[str, Any]:
    """The one event of a kind about a video."""
    (found,) = events(f"step4.{kind}", f"step4.video.{video.stem}")
    return found


def test_a_publication_is_an_event_that_names_its_files(video: Path) -> None:
    """STEP5 finds manifest, verdict and device in the payload, and the run and the profile among what is related."""
    state = start(video, ScriptedDiarizer(TURNS))
    told = event("timeline.published", video)

    assert told["payload"]["manifest"] == str(video.with_name(f"{video.stem}_step4.json"))
    assert all(Path(path).is_file() for path in told["payload"]["files"])
    facts = ("video", "verdict", "device", "already", "profile")
    assert [told["payload"][fact] for fact in facts] == [str(video), "coherent", "cuda:0", False, "gpu_fp32"]
    related = {one["prefect.resource.id"] for one in told["related"]}
    assert {f"prefect.flow-run.{state.state_details.flow_run_id}", "step4.profile.gpu_fp32"} <= related


def test_a_publication_that_is_found_is_announced_again(video: Path) -> None:
    """Who waits for the event must not wait for ever because the files were there before it asked."""
    start(video, ScriptedDiarizer(TURNS))
    start(video, ScriptedDiarizer(TURNS))
    found = events("step4.timeline.published", f"step4.video.{video.stem}", count=2)

    assert [one["payload"]["already"] for one in found] == [True, False]


def test_a_drift_is_an_event_with_the_criteria_that_failed(video: Path) -> None:
    """Each with value and limit, beside the verdict and what was done."""
    start(video, ScriptedDiarizer(TURNS, candidate=LOST))
    payload = event("drift.detected", video)["payload"]

    failed = {one["name"]: (one["value"], one["limit"]) for one in payload["failed"]}
    assert failed["speaker_count_difference"] == (1.0, 0.0)
    assert (payload["verdict"], payload["action"], payload["device"]) == ("drift", "refuse", "cuda:0")
    assert Path(payload["refused"]).is_dir()


def test_a_fallback_is_an_event_with_its_reason(video: Path) -> None:
    """Device, and what it failed with."""

    def broken(*arguments: Any) -> Any:
        with device_failures():
            return ScriptedDiarizer(TURNS, cuda_failure=RuntimeError("CUDA out of memory"))(*arguments)

    start(video, broken)
    payload = event("device.fallback", video)["payload"]

    assert (payload["device"], payload["device_name"], payload["reason"]) == ("cuda:0", "Fake GPU", "out of memory")


def test_a_refused_video_is_an_event_with_the_reason(video: Path) -> None:
    """What an operator can do about it is in the payload; the run is named by its end."""
    state = start(cut(video, 0.5), ScriptedDiarizer(TURNS))
    payload = event("media.refused", video)["payload"]

    assert video.name in payload["reason"]
    assert payload["exit_code"] == 4
    assert name_of(state) == f"{video.stem} · gpu_fp32 · refused"


@pytest.mark.parametrize(
    ("candidate", "gpu", "ending"), [(TURNS, True, "coherent"), (LOST, True, "drift"), (TURNS, False, "reference")]
)
def test_a_run_is_named_by_video_profile_and_verdict(
    video: Path, candidate: tuple[Turn, ...], gpu: bool, ending: str
) -> None:
    """A list of runs shows how each ended."""
    state = start(video, ScriptedDiarizer(TURNS, candidate=candidate), gpu=gpu)

    assert name_of(state) == f"{video.stem} · gpu_fp32 · {ending}"


def test_a_drifted_run_leaves_its_criteria_and_a_picture(video: Path) -> None:
    """They are there although the run failed."""
    state = start(video, ScriptedDiarizer(TURNS, candidate=LOST))
    shown = artifacts(state.state_details.flow_run_id)

    assert state.is_failed()
    assert shown["markdown"].startswith(f"# drift: {video.stem}")
    assert "data:image/png;base64," in shown["markdown"]
    difference = next(row for row in json.loads(shown["table"]) if row["criterion"] == "speaker count difference")
    assert (difference["value"], difference["limit"]) == ("1 speakers", "at most 0 speakers")


def test_a_published_run_leaves_a_summary_and_a_picture(video: Path) -> None:
    """Short, since nothing was compared on a CPU."""
    state = start(video, ScriptedDiarizer(TURNS), gpu=False)
    shown = artifacts(state.state_details.flow_run_id)

    assert set(shown) == {"markdown"}
    assert "Speech on 75 of 125 frames (60.0 %)" in shown["markdown"]


def test_without_a_named_server_nothing_is_told(video: Path) -> None:
    """`step4 run` on a laptop leaves no artifacts and renames nothing: nobody would look."""
    with temporary_settings({PREFECT_API_URL: None, PREFECT_SERVER_EPHEMERAL_ENABLED: True}):
        state = start(video, ScriptedDiarizer(TURNS), gpu=False)
        shown, name = artifacts(state.state_details.flow_run_id), name_of(state)

    assert state.is_completed()
    assert (shown, name) == ({}, f"{video.stem} · gpu_fp32")


def test_what_cannot_be_told_fails_no_run(caplog: pytest.LogCaptureFixture) -> None:
    """A server in trouble becomes a warning."""
    with best_effort("The artifacts"):
        raise ConnectionError("refused")

    assert "The artifacts could not be sent to the Prefect server: refused" in caplog.text


@pytest.mark.parametrize(
    ("samples", "substituted", "ending"),
    [("0" * 64, False, "coherent"), ("0" * 64, True, "substituted"), (None, False, "no audio")],
)
def test_a_runs_name_ends_in_what_its_verdict_does_not_say(samples: str | None, substituted: bool, ending: str) -> None:
    """The reference in the candidate's place, and a video without sound, are no success like any other."""
    manifest = {"source": {"samples_sha256": samples}, "substituted": substituted, "verdict": "coherent"}

    assert ending_of(manifest) == ending

"""From STEP3's event to published files on a real server with real workers: nothing here is scripted."""

import json
import re
import signal
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
from serving import Served, belonging_to, speech, start_serving

pytestmark = pytest.mark.slow


def test_an_event_of_step3_ends_in_published_files(served: Served, tmp_path: Path) -> None:
    """The run has the video's path as its parameter, ends Completed, is named by its verdict and shows a picture."""
    video = speech(tmp_path / "été 01.mkv")
    served.hand_over(video.stem, video=str(video), scenes_csv=None)
    run = served.finished("after-step3", video=str(video))

    assert (run["state_type"], run["parameters"]) == ("COMPLETED", {"video": str(video)})
    assert run["name"] == "été 01 · gpu_fp32 · reference"
    manifest = json.loads(video.with_name("été 01_step4.json").read_text(encoding="utf-8"))
    assert all((tmp_path / name).is_file() for name in manifest["files"])
    assert manifest["summary"]["speech_frames"] > 0
    assert "data:image/png;base64," in served.artifacts(run)["markdown"]
    assert served.wait_for(lambda: [line for line in served.log_lines(run) if line.startswith("Timeline audio: ")])


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({"vidoe": "/a.mp4"}, "lacks a value that the trigger asks for (its payload holds vidoe)"),
        ({"video": ["a", "b"]}, "is not of type 'string'"),
    ],
)
def test_a_bad_payload_is_a_failed_run_that_says_so(served: Served, payload: dict[str, object], reason: str) -> None:
    """No video, or a list of them: no analysis starts; the alert names trigger, video, reason and event."""
    before = {run["id"] for run in served.runs("alert")}
    served.hand_over("bad", **payload)
    run = served.wait_for(
        lambda: [one for one in served.runs("alert") if one["id"] not in before and one["state_type"] == "FAILED"]
    )[0]

    assert run["name"] == "after-step3 started no run"
    assert run["state"]["message"].startswith("after-step3 started no run for step3.video.bad: ")
    assert reason in run["state"]["message"]
    assert re.search(
        rf"; the event: {served.url}/events/event/\d{{4}}-\d\d-\d\d/[0-9a-f-]{{36}}$", run["state"]["message"]
    )


def test_a_path_that_names_no_video_is_a_failed_run(served: Served) -> None:
    """Any whole path starts a run, since only the worker can look: the run fails, and says what it did not find."""
    served.hand_over("nowhere", video="/no/video/at all")
    run = served.finished("after-step3", video="/no/video/at all")

    assert run["state_type"] == "FAILED"
    assert "/no/video/at all" in run["state"]["message"]


def test_drift_ends_failed_with_the_criteria_in_its_artifacts(served: Served, tmp_path: Path) -> None:
    """The incident itself, on a worker: nothing is published, and the operator sees value and limit of each rule."""
    video = speech(tmp_path / "quiet.mkv", gain=1e-4)
    assert served.start("manual", video=str(video), profile="cpu_amp_unsafe").is_success
    run = served.finished("manual", video=str(video))
    rows = json.loads(served.artifacts(run)["table"])

    assert (run["state_type"], run["name"]) == ("FAILED", "quiet · cpu_amp_unsafe · drift")
    assert "criteria failed, the worst" in run["state"]["message"]
    assert len(rows) == 9
    assert "FAIL" in {row["result"] for row in rows}
    assert not list(tmp_path.glob("quiet_*"))
    page = re.search(r"\[Look and listen[^]]*\]\((http://127\.0\.0\.1:[^)]*)\)", served.artifacts(run)["markdown"])
    assert page
    assert "Drift: the candidate must not be used." in httpx.get(page[1]).text


def test_step3s_completion_starts_a_batch_of_its_folder(served: Served, tmp_path: Path) -> None:
    """The folder arrives as a list of one path."""
    served.step3("--folder", str(tmp_path))
    run = served.finished("after-step3-folder", folders=[str(tmp_path)])

    assert run["state_type"] == "COMPLETED"


def test_the_cron_schedule_creates_its_runs(served: Served) -> None:
    """The nightly batch stands in the calendar at half past two in Paris, with the inbox as its folder."""
    run = served.wait_for(lambda: served.runs("nightly"))[0]
    when = datetime.fromisoformat(run["expected_start_time"]).astimezone(ZoneInfo("Europe/Paris"))

    assert run["auto_scheduled"]
    assert (when.hour, when.minute) == (2, 30)
    assert run["parameters"] == {"folders": [str(served.home / "inbox")]}


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"video": "/a.mp4", "profile": "gpu"},
        {"video": "/a.mp4", "num_speakers": 256},
        {"video": 3},
        {"video": "a.mp4"},
    ],
)
def test_the_server_refuses_what_the_form_would(served: Served, bad: dict[str, object]) -> None:
    """Before a run exists."""
    before = len(served.runs("manual"))

    assert served.start("manual", **bad).status_code == 409
    assert len(served.runs("manual")) == before


def test_the_machine_is_checked_first(served: Served) -> None:
    """The first thing that the worker runs is the self-check."""
    run = served.finished("selfcheck")

    assert run["state_type"] == "COMPLETED"


def test_sigterm_during_the_start_leaves_nothing_behind(tmp_path: Path) -> None:
    """A service manager that changes its mind finds no orphan."""
    process, _ = start_serving(tmp_path)
    while not (tmp_path / "logs" / "server.log").exists():
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)

    assert process.wait(60) == 0
    assert belonging_to(tmp_path) == []

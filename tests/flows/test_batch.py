"""The batch in one process: real ffmpeg, real files; only the networks are scripted.

What it takes up is asked of its recipe; what a server is told of it, and the exit codes, of the flow and the command.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from media_samples import clip, cut
from paths import ROOT, SUPPORT
from prefect.client.orchestration import get_client
from prefect.client.schemas.sorting import FlowRunSort
from probing import probed_here
from served import newest_artifact, run_that_made

from flows.batch import batch
from flows.cli.main import main
from flows.recipes.audio_analysis import analyse_video
from flows.recipes.batch import run_batch
from profiles.settings import Configuration
from tasks.device import plan_device
from tasks.engine.core.errors import BatchError, UsageError
from tasks.engine.core.turns import Turn
from tasks.engine.dependencies import Dependencies, use_dependencies
from tasks.engine.diagnosis.selfcheck import SelfCheck, remember
from tasks.engine.models.registry import identity
from tasks.engine.testing import CPU_ONLY, ONE_GPU, ScriptedDiarizer, no_patching, nothing_to_load, sound_low_precision

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("clean_settings")]

TURNS = (Turn(0.5, 2.0, "SPEAKER_00"), Turn(1.8, 3.5, "SPEAKER_01"))


@pytest.fixture(scope="session")
def one_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A five-second video with sound."""
    return clip(tmp_path_factory.mktemp("batch") / "clip.mp4")


@pytest.fixture
def inbox(one_clip: Path, tmp_path: Path) -> Path:
    """Three whole videos in two folders."""
    for name in ("a.mp4", "b.mp4", "sub/c.mp4"):
        target = tmp_path / "inbox" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(one_clip, target)
    return tmp_path / "inbox"


@pytest.fixture
def networks() -> Iterator[ScriptedDiarizer]:
    """Scripted networks on a machine without a GPU, in force."""
    diarizer = ScriptedDiarizer(TURNS)
    dependencies = Dependencies(
        run_probe=probed_here,
        device_facts=lambda: CPU_ONLY,
        diarizer=diarizer,
        explainer=no_patching,
        check_low_precision=sound_low_precision,
        preload=nothing_to_load,
    )
    with use_dependencies(dependencies):
        yield diarizer


def step4(*arguments: str | Path) -> int:
    """Run a command in this process; its exit code."""
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    return int(caught.value.code or 0)


def last_batch() -> tuple[str, str]:
    """(state, message) of the latest batch on the server."""
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(sort=FlowRunSort.EXPECTED_START_TIME_DESC, limit=50)
        flows = {flow.id: flow.name for flow in client.read_flows()}
    found = next(run for run in runs if flows[run.flow_id] == "step4-batch")
    assert found.state is not None
    return found.state.name, found.state.message or ""


def test_a_batch_does_what_is_missing_and_nothing_else(inbox: Path, networks: ScriptedDiarizer) -> None:
    """Every video is published; the next batch has nothing to do; a new and a changed video have their turn."""
    assert run_batch([inbox], here=True)["published"] == {"reference": 3}
    assert run_batch([inbox], here=True) == {
        "exit_code": 0,
        "videos": 3,
        "current": 3,
        "published": {},
        "failed": 0,
        "failures": [],
    }
    assert len(networks.calls) == 2  # all have the same sound, and each folder has its store
    shutil.copy(inbox / "a.mp4", inbox / "new.mp4")
    with (inbox / "b.mp4").open("ab") as file:
        file.write(bytes([0, 0, 0, 8]) + b"free")

    again = run_batch([inbox], here=True)

    assert (again["current"], again["published"]) == (2, {"reference": 2})


def test_what_a_self_check_moved_to_the_cpu_is_not_done_again(inbox: Path) -> None:
    """A card that does not bear the profile makes no batch repeat the last one's work, nor a single run."""
    plan = plan_device(Configuration.resolve({}), ONE_GPU)
    found = SelfCheck(plan.device, plan.device_name, plan.precision, "drift", ())
    remember(found, plan, ONE_GPU, identity("offline"))
    networks = ScriptedDiarizer(TURNS)
    dependencies = Dependencies(
        run_probe=probed_here,
        device_facts=lambda: ONE_GPU,
        diarizer=networks,
        check_low_precision=sound_low_precision,
        preload=nothing_to_load,
    )
    with use_dependencies(dependencies):
        assert run_batch([inbox], here=True)["published"] == {"reference": 3}
        assert {one.on_cpu for one in networks.calls} == {True}
        networks.calls.clear()
        assert run_batch([inbox], here=True)["current"] == 3
        again = analyse_video(inbox / "a.mp4")

    assert "self-check" in again["device"]["fallback_reason"]
    assert networks.calls == []


def test_another_request_is_another_publication(inbox: Path, networks: ScriptedDiarizer) -> None:
    """What a publication does not answer is computed: other decisions, other proof."""
    run_batch([inbox], here=True)

    assert run_batch([inbox], num_speakers=2, here=True)["published"] == {"reference": 3}
    assert run_batch([inbox], num_speakers=2, here=True)["current"] == 3
    assert len(networks.calls) > 1


@pytest.mark.usefixtures("prefect_server")
def test_every_video_has_its_turn_and_the_worst_is_first(inbox: Path, one_clip: Path) -> None:
    """A drift in the first video, a broken second, a pair of one name: the rest is published, the batch is Failed."""
    cut(inbox / "b.mp4", 0.4)
    shutil.copy(one_clip, inbox / "c.mp4")
    shutil.copy(one_clip, inbox / "c.mov")
    drifting = ScriptedDiarizer(TURNS, candidate=TURNS[:1])
    gpu = Dependencies(
        run_probe=probed_here,
        device_facts=lambda: ONE_GPU,
        explainer=no_patching,
        check_low_precision=sound_low_precision,
        preload=nothing_to_load,
    )
    asked = iter([drifting, drifting, *[ScriptedDiarizer(TURNS)] * 9])

    def by_turn(*arguments: Any) -> Any:
        return next(asked)(*arguments)

    with use_dependencies(replace(gpu, diarizer=by_turn)), pytest.raises(BatchError) as caught:
        batch([inbox], here=True)
    report = caught.value.report

    assert [(Path(one["video"]).name, one["exit_code"]) for one in report["failures"]] == [
        ("a.mp4", 3),
        ("b.mp4", 4),
        ("c.mov", 2),
        ("c.mp4", 2),
    ]
    assert report["failures"][0]["excess"] is None or report["failures"][0]["excess"] > 1
    assert report["published"] == {"coherent": 1}
    assert caught.value.exit_code == 3
    state, message = last_batch()
    assert state == "Failed"
    assert "4 of 5 videos failed, the worst" in message
    assert "a.mp4: drift" in message


@pytest.mark.usefixtures("prefect_server")
def test_partial_success_is_done_where_that_was_asked_for(
    inbox: Path, networks: ScriptedDiarizer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """AUDIO_PARTIAL_SUCCESS_OK: exit code 0 and Completed, the failure still reported; without it, 4 and Failed."""
    cut(inbox / "b.mp4", 0.4)
    assert step4("batch", inbox, "--here") == 4
    assert last_batch()[0] == "Failed"
    shown = capsys.readouterr().out
    assert "2 reference" in shown
    assert "b.mp4" in shown

    monkeypatch.setenv("AUDIO_PARTIAL_SUCCESS_OK", "true")
    assert step4("batch", inbox, "--here", "--json") == 0
    assert last_batch()[0] == "Completed"
    report = json.loads(capsys.readouterr().out)
    assert (report["exit_code"], report["current"], report["failed"]) == (0, 2, 1)
    assert step4("batch", inbox / "b.mp4", "--here") == 4
    assert len(networks.calls) == 2


@pytest.mark.usefixtures("prefect_server")
def test_the_failures_are_a_table_on_the_server(inbox: Path, networks: ScriptedDiarizer) -> None:
    """Whoever watches the server sees the worst first, on a run that failed too."""
    cut(inbox / "b.mp4", 0.4)
    with pytest.raises(BatchError):
        batch([inbox], here=True)

    latest = newest_artifact("step4-batch")
    rows = json.loads(str(latest.data))
    assert [(row["video"], row["exit code"]) for row in rows] == [(str(inbox / "b.mp4"), 4)]
    assert networks.calls
    assert run_that_made(latest).name == "batch · inbox · 1 of 3 failed"


def test_a_missing_folder_is_a_wrong_request(inbox: Path, networks: ScriptedDiarizer) -> None:
    """Nothing is run where one of the places does not exist."""
    with pytest.raises(UsageError, match="nowhere"):
        run_batch([inbox, inbox / "nowhere"], here=True)
    assert step4("batch", inbox / "nowhere") == 2
    assert networks.calls == []


def test_a_bug_in_one_video_does_not_stop_the_next(inbox: Path) -> None:
    """An exception nobody foresaw is that video's failure, exit code 1."""

    def buggy(*_: Any) -> Any:
        raise ZeroDivisionError

    without_gpu = Dependencies(run_probe=probed_here, device_facts=lambda: CPU_ONLY)
    with use_dependencies(replace(without_gpu, diarizer=buggy)):
        assert step4("batch", inbox, "--here") == 1
    with use_dependencies(replace(without_gpu, diarizer=ScriptedDiarizer(TURNS))):
        assert step4("batch", inbox, "--here") == 0


SCRIPT = """
import sys
from pathlib import Path
from scripted_flow import scripted
from flows.cli.main import main
inbox, computed, release = map(Path, sys.argv[1:])
with scripted(computed, release, stop_at=2):
    main(["batch", str(inbox), "--here", "--json"])
"""


@pytest.mark.usefixtures("prefect_server")
def test_a_batch_that_is_killed_is_resumed_by_starting_it_again(inbox: Path, tmp_path: Path) -> None:
    """A kill -9 in the second video: the first stays published and is not computed again, the rest is done then."""
    for name in ("b.mp4", "sub/c.mp4"):  # other sound, or the store of finished inferences would answer
        clip(inbox / name, None, "", "25", "-af", f"volume={0.5 if name == 'b.mp4' else 0.25}", "-y")
    computed, release = tmp_path / "computed", tmp_path / "release"
    command = [sys.executable, "-c", SCRIPT, str(inbox), str(computed), str(release)]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(SUPPORT), str(ROOT))),
        "PREFECT_HOME": str(tmp_path / "home"),
    }
    with get_client(sync_client=True) as client:
        environment["PREFECT_API_URL"] = str(client.api_url)
    killed = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not (computed.exists() and len(computed.read_text().splitlines()) == 2):
        assert killed.poll() is None, killed.communicate()[1].decode()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    first = (inbox / "a_step4.json").read_bytes()
    assert not (inbox / "b_step4.json").exists()

    release.touch()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["current"], report["published"]) == (1, {"reference": 2})
    assert (inbox / "a_step4.json").read_bytes() == first
    # Once for the first video, twice for the one that was killed, once for the last.
    assert len(computed.read_text().splitlines()) == 4

"""The flow of one video: how its runs end on a server; only the networks are scripted."""

import json
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from probing import probed_here
from scripted_runs import TURNS, beside, with_device_errors

from flows.audio_analysis import audio_analysis
from tasks.engine.core.errors import DeviceError, StorageError
from tasks.engine.dependencies import Dependencies, use_dependencies
from tasks.engine.diagnosis.patching import Explanation
from tasks.engine.testing import CPU_ONLY, ONE_GPU, ScriptedDiarizer, no_patching, nothing_to_load, sound_low_precision

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_server", "clean_settings")]


def test_an_output_that_takes_no_files_is_a_storage_error(video: Path) -> None:
    """A file where the folder should be: exit code 6 and one sentence."""
    dependencies = Dependencies(run_probe=probed_here, device_facts=lambda: CPU_ONLY, diarizer=ScriptedDiarizer(TURNS))

    with (
        use_dependencies(dependencies),
        pytest.raises(StorageError, match=r"takes no files .*: choose another folder with --output"),
    ):
        audio_analysis(video, output=video / "sub")


def test_the_flow_run_ends_failed_with_the_drift_as_its_message(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator reads the worst criterion in the state of the run."""
    monkeypatch.setenv("AUDIO_PROFILE", "gpu_fp32")
    diarizer = ScriptedDiarizer(TURNS, candidate=TURNS[:1])
    with use_dependencies(
        Dependencies(
            run_probe=probed_here,
            device_facts=lambda: ONE_GPU,
            diarizer=diarizer,
            explainer=no_patching,
            check_low_precision=sound_low_precision,
            preload=nothing_to_load,
        )
    ):
        state = audio_analysis(video, return_state=True)

    assert state.is_failed()
    assert "speaker count difference 1 speakers (at most 0 speakers allowed)" in (state.message or "")


def test_a_reference_that_does_not_repeat_itself_is_blamed_instead(video: Path) -> None:
    """On drift the reference is run again; where it does not equal itself no candidate is blamed."""
    diarizer = ScriptedDiarizer(TURNS, candidate=TURNS[:1])
    dependencies = Dependencies(
        run_probe=probed_here,
        device_facts=lambda: ONE_GPU,
        diarizer=diarizer,
        explainer=lambda *_: Explanation(repeatable=False, localization=None),
    )

    with use_dependencies(dependencies):
        state = audio_analysis(video, on_drift="substitute", return_state=True)

    assert state.is_failed()
    assert "reference_not_repeatable" in (state.message or "")
    assert beside(video) == set()


@pytest.mark.parametrize("error", [DeviceError("out of memory"), ValueError("out of memory")])
def test_a_failing_experiment_does_not_soften_a_refusal(video: Path, error: Exception) -> None:
    """When the drift cannot be located, for whatever reason, the run still fails for drift and the report says why."""

    def broken(*_: Any) -> Explanation:
        raise error

    diarizer = ScriptedDiarizer(TURNS, candidate=TURNS[:1])
    with use_dependencies(
        Dependencies(run_probe=probed_here, device_facts=lambda: ONE_GPU, diarizer=diarizer, explainer=broken)
    ):
        state = audio_analysis(video, return_state=True)

    report = json.loads((video.parent / ".step4" / "refused" / "clip" / "drift.json").read_text())
    assert state.is_failed()
    assert any("could not be located: out of memory" in note for note in report["notes"])


def test_the_fallback_is_a_retry_in_the_run_states(video: Path) -> None:
    """The task run that fell back shows two attempts, and its log line is the one operators search for."""
    diarizer = with_device_errors(ScriptedDiarizer(TURNS, cuda_failure=RuntimeError("CUDA error: device lost")))
    with use_dependencies(
        Dependencies(
            run_probe=probed_here,
            device_facts=lambda: ONE_GPU,
            diarizer=diarizer,
            explainer=no_patching,
            check_low_precision=sound_low_precision,
            preload=nothing_to_load,
        )
    ):
        state = audio_analysis(video, return_state=True)

    assert state.is_completed()
    assert attempts_of_diarize(state.state_details.flow_run_id, wanted=2) == 2


def attempts_of_diarize(flow_run_id: UUID, wanted: int) -> int:
    """The most attempts of a diarize task of a run; the server records task runs a moment after they happen."""
    until = time.monotonic() + 60
    most = 0
    with get_client(sync_client=True) as client:
        while most < wanted and time.monotonic() < until:
            runs = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id])))
            most = max((run.run_count for run in runs if run.name.startswith("diarize")), default=0)
            time.sleep(0.2)
    return most

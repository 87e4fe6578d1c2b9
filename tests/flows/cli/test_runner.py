"""`step4 run`, `batch`, `audit` and `selfcheck` without a server: the same recipe, without Prefect."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command import step4 as in_this_process
from media_samples import clip
from paths import ROOT, SUPPORT
from prefect.settings import PREFECT_API_URL, temporary_settings

from tasks.engine.formats.detect import load_timeline

WITHOUT_PREFECT = """
import sys
sys.modules["prefect"] = None  # importing it raises
from scripted_runs import TURNS, dependencies
from flows.cli.main import main
from tasks.engine.core.errors import DeviceError
from tasks.engine.dependencies import use_dependencies
from tasks.engine.testing import ScriptedDiarizer

failing = sys.argv[1] == "failing"
networks = ScriptedDiarizer(TURNS, cuda_failure=DeviceError("CUDA error: gone") if failing else None)
with use_dependencies(dependencies(networks, gpu=failing)):
    main(sys.argv[2:])
"""


def step4(folder: Path, device: str, *arguments: str) -> dict[str, object]:
    """A command in a process that cannot import Prefect, with scripted networks; its JSON."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment = clean | {"PYTHONPATH": os.pathsep.join((str(SUPPORT), str(ROOT))), "HOME": str(folder)}
    environment |= {"STEP4_CACHE_DIR": str(folder / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_PREFECT, device, *arguments, "--json"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five seconds with sound, in a folder of its own."""
    return clip(tmp_path_factory.mktemp("inbox") / "clip.mp4")


def test_a_video_is_published_without_prefect(video: Path, tmp_path: Path) -> None:
    """Manifest, tables and verdict as ever, in a process where Prefect cannot be imported."""
    answer = step4(tmp_path, "cpu", "run", str(video), "--output", str(tmp_path / "out"))

    assert answer["exit_code"] == 0
    assert answer["runs"][0]["manifest"]["verdict"] == "reference"  # type: ignore[index]
    assert load_timeline(tmp_path / "out" / "clip_timeline.parquet").frames == 125


def test_a_failing_device_is_retried_on_the_cpu_without_prefect(video: Path, tmp_path: Path) -> None:
    """The second attempt runs on CPU in FP32 and says why, as in a flow run."""
    answer = step4(tmp_path, "failing", "run", str(video), "--output", str(tmp_path / "out"))
    device = answer["runs"][0]["manifest"]["device"]  # type: ignore[index]

    assert answer["exit_code"] == 0
    assert (device["device"], device["precision"], device["attempts"]) == ("cpu", "fp32", 2)
    assert device["fallback_reason"] == "CUDA error: gone"


def test_a_batch_an_audit_and_a_selfcheck_need_no_prefect(video: Path, tmp_path: Path) -> None:
    """Each ends as it does on a server."""
    out = tmp_path / "out"
    batch = step4(tmp_path, "cpu", "batch", str(video.parent), "--output", str(out))
    audit = step4(tmp_path, "cpu", "audit", str(out))
    checks = step4(tmp_path, "cpu", "selfcheck")["checks"]

    assert (batch["exit_code"], batch["videos"], batch["published"]) == (0, 1, {"reference": 1})
    assert (audit["exit_code"], audit["audited"]) == (0, 1)
    assert [check["outcome"] for check in checks] == ["passed"]  # type: ignore[attr-defined]


@pytest.mark.usefixtures("clean_settings")
@pytest.mark.parametrize("command", ["run", "batch", "audit"])
def test_a_server_that_is_down_is_one_line_before_any_work(
    command: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Exit code 7 and one sentence, whatever is asked."""
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        assert in_this_process(command, tmp_path) == 7

    captured = capfd.readouterr()
    assert captured.err.startswith("step4: no Prefect server answers at PREFECT_API_URL = http://127.0.0.1:9/api")
    assert captured.err.count("\n") == 1
    assert captured.out == ""

"""Killed, stopped and interrupted runs: no half publication, nothing left behind, nothing repeated."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from killing import Bench
from media_samples import clip
from paths import ROOT, SUPPORT

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("clean_settings")]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, prefect_api: str) -> Iterator[Bench]:
    """A clip that is published again and again."""
    paths = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join((str(ROOT), str(SUPPORT)))
    found = Bench(tmp_path_factory.mktemp("kills"), api=prefect_api)
    (found.folder / "videos").mkdir()
    clip(found.video)
    yield found
    os.environ.pop("PYTHONPATH") if paths is None else os.environ.update(PYTHONPATH=paths)


def test_killed_at_any_moment(bench: Bench) -> None:
    """Kill -9 at four moments over a run, then the same command: no half publication, no leak, no stage repeated."""
    expected, seconds = bench.rehearse()
    moments = random.Random(4)  # noqa: S311  # reproducible moments, no secret
    wrong = [bench.kill(turn, seconds * (turn + moments.random()) / 4, expected[turn % 2]) for turn in range(4)]

    assert wrong == [[], [], [], []]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_stopped_inside_inference_ends_cleanly(bench: Bench, tmp_path: Path, how: signal.Signals) -> None:
    """Exit code 130, and the folder holds what it held before: no staging, no temporary file, nothing published."""
    video = clip(tmp_path / "clip.wav")
    ready = tmp_path / "ready"
    command = [sys.executable, "-m", "stopped_run", str(ready), "endless", "run", str(video)]
    logs = str(tmp_path.with_name("diagnostics"))
    environment = {**os.environ, "PREFECT_API_URL": bench.api, "STEP4_DIAGNOSTICS_DIR": logs}
    with subprocess.Popen(command, env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        while not ready.exists():
            assert process.poll() is None, process.stderr and process.stderr.read()
            time.sleep(0.05)
        process.send_signal(how)
        _, said = process.communicate(timeout=120)

    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.wav", "ready"]

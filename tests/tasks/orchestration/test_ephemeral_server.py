"""The Prefect server that `step4 run` starts for itself where none was named."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

from media_samples import clip
from paths import ROOT, SUPPORT

RUNS = """
import sys
from scripted_runs import dependencies
from flows.cli.main import main
from tasks.engine.testing import ScriptedDiarizer
from tasks.engine.dependencies import use_dependencies

with use_dependencies(dependencies(ScriptedDiarizer(()))):
    main(["run", *sys.argv[1:], "--reference", "none"])
"""


def test_it_writes_down_runs_alone(tmp_path: Path) -> None:
    """No event and no task run: writing those of one video, it refused the next one's run, which then waited 2 s."""
    videos = [clip(tmp_path / f"{number}.wav") for number in range(2)]
    environment = {**os.environ, "PREFECT_API_URL": "", "PREFECT_HOME": str(tmp_path / "prefect")}
    environment["PYTHONPATH"] = os.pathsep.join(map(str, (SUPPORT, ROOT)))
    subprocess.run([sys.executable, "-c", RUNS, *videos], env=environment, cwd=tmp_path, check=True, timeout=300)
    with sqlite3.connect(tmp_path / "prefect" / "prefect.db") as database:
        counts = database.execute(
            "select (select count(*) from flow_run), (select count(*) from task_run), (select count(*) from events)"
        ).fetchone()

    assert counts == (2, 0, 0)

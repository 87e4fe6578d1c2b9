# ruff: noqa: E402  # the path to the test helpers must be set before they are imported
"""Kills runs at random moments with SIGKILL, starts each again, and counts what went wrong.

Run: ``python benchmarks/robustness/kills.py [KILLS] [SEED]``. 200 kills take about ten minutes on one core.
"""

import os
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]
os.environ["PYTHONPATH"] = os.pathsep.join(sys.path[:2])

import flows  # noqa: F401  # sets Prefect's defaults before Prefect is imported

os.environ["PREFECT_LOGGING_LEVEL"] = "CRITICAL"

from killing import Bench
from media_samples import clip


def main(kills: int, seed: int) -> int:
    """Kill, run again, count; how many kills went wrong."""
    # Here, so that the processes to kill do not import a server.
    from prefect.testing.utilities import prefect_test_harness

    moments, wrong = random.Random(seed), Counter[str]()  # noqa: S311  # reproducible moments, no secret
    with tempfile.TemporaryDirectory() as name, prefect_test_harness(server_startup_timeout=120):
        from prefect.settings import PREFECT_API_URL

        bench = Bench(Path(name))
        bench.share(PREFECT_API_URL.value())
        (bench.folder / "videos").mkdir()
        clip(bench.video)
        expected, seconds = bench.rehearse()
        print(f"a run takes {seconds:.2f} s; killing {kills} of them, seed {seed}", flush=True)
        for turn in range(kills):
            moment = moments.uniform(0, seconds)
            found = bench.kill(turn, moment, expected[turn % 2])
            wrong.update(found or ["nothing"])
            if found:
                print(f"kill {turn} after {moment:.3f} s: {', '.join(found)}", flush=True)
            if turn % 10 == 9:
                print(f"{turn + 1} kills: {dict(wrong)}; {dict(bench.stages)}", flush=True)
    print(f"wrong: {dict(wrong)}; {dict(bench.stages)}")
    return kills - wrong["nothing"]


if __name__ == "__main__":
    sys.exit(min(1, main(int((sys.argv[1:] or ["200"])[0]), int((sys.argv[2:] or ["1"])[0]))))

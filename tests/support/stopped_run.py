"""`step4 run` on a video with networks that never finish; a file appears when they have begun."""

import sys
import time
from pathlib import Path
from typing import Any

from scripted_runs import dependencies

from flows.cli.main import main
from tasks.engine.dependencies import use_dependencies


def endless(_samples: Any, _plan: Any, _parameters: Any, progress: Any) -> Any:
    """Report progress until somebody ends this."""
    Path(sys.argv[2]).touch()
    for step in range(100_000):
        time.sleep(0.05)
        progress("segmentation", step, 100_000)
    raise AssertionError("nobody stopped it")


if __name__ == "__main__":
    with use_dependencies(dependencies(endless)):
        main(["run", sys.argv[1]])

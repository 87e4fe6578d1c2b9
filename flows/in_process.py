"""`step4 run`: the flow in this process, with progress on the terminal and a summary at the end."""

import json
import logging
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# Before Prefect is imported: what it says of a failed run, tracebacks included, is said below in one sentence.
os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")

from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from rich.console import Console

from flows.audio_analysis import audio_analysis
from flows.terminal import progress, show_run
from profiles.settings import Configuration
from tasks.engine.errors import Step4Error
from tasks.engine.seams import Seams, seams_in_force


def run_all(videos: Sequence[Path], options: Mapping[str, Any], *, as_json: bool) -> int:
    """Run the flow on each video; the exit code is the worst one's.

    Raises:
        UsageError: an option or a setting is wrong; no video was touched.
    """
    level = Configuration.resolve({"profile": options["profile"]}).log_level
    log_to_stderr(level)
    runs = [run_one(video.absolute(), options, quiet=as_json) for video in videos]
    code: int = max(run["exit_code"] for run in runs)
    if as_json:
        print(json.dumps({"exit_code": code, "runs": runs}, ensure_ascii=False, indent=2))  # noqa: T201  # the product
    return code


def run_one(video: Path, options: Mapping[str, Any], *, quiet: bool) -> dict[str, Any]:
    """Run the flow on one video and tell how it ended."""
    started = time.perf_counter()
    console = Console(stderr=True)
    # A flow that ends with its process needs no heartbeat; stopping the heartbeat costs a second.
    with (
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
        progress(console) as report,
        seams_in_force(Seams(progress=report)),
    ):
        try:
            manifest = audio_analysis(video, **options)
        except Step4Error as error:
            console.print(f"step4: {error}", style="bold red", highlight=False, soft_wrap=True)
            return {"video": str(video), "exit_code": error.exit_code, "error": str(error)}
    seconds = time.perf_counter() - started
    if not quiet:
        show_run(manifest, options["output"] or video.parent, seconds)
    return {"video": str(video), "exit_code": 0, "seconds": round(seconds, 3), "manifest": manifest}


def log_to_stderr(level: str) -> None:
    """Show the stages' log lines, each once."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("step4")
    logger.handlers = [handler]
    logger.setLevel(level)
    logger.propagate = False

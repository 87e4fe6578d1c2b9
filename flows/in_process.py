"""`step4 run`: the flow in this process, with progress on the terminal and a summary at the end."""

import json
import logging
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

# Before Prefect is imported: what it says of a failed run, tracebacks included, is said below in one sentence.
os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
# The temporary server is stopped in the middle of its book-keeping, and would print a traceback of that.
os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "CRITICAL")

from rich.console import Console

from flows.audio_analysis import audio_analysis
from flows.selfcheck import selfcheck
from flows.terminal import progress, screen, show_refused, show_run, show_selfcheck
from profiles.settings import Configuration
from tasks.engine.errors import DriftError, EngineError, Step4Error, UsageError
from tasks.engine.failures import in_our_words
from tasks.engine.runs import WORKSPACE
from tasks.engine.seams import current_seams, seams_in_force
from tasks.server import in_this_process

log = logging.getLogger("step4")


def run_all(videos: Sequence[Path], options: Mapping[str, Any], *, as_json: bool) -> int:
    """Run the flow on each video; the exit code is the worst one's.

    Raises:
        UsageError: an option or a setting is wrong; no video was touched.
    """
    level = Configuration.resolve({"profile": options["profile"]}).log_level
    require_distinct(videos, options["output"])
    log_to_stderr(level)
    runs = [run_one(video.absolute(), options, quiet=as_json) for video in videos]
    code: int = max(run["exit_code"] for run in runs)
    if as_json:
        print(json.dumps({"exit_code": code, "runs": runs}, ensure_ascii=False, indent=2))  # noqa: T201  # the product
    return code


def require_distinct(videos: Sequence[Path], output: Path | None) -> None:
    """Two videos of one request must not publish under the same names.

    Raises:
        UsageError: with both.
    """
    taken: dict[Path, Path] = {}
    for video in videos:
        stem = ((output or video.parent) / video.stem).absolute()
        if stem in taken:
            raise UsageError(f"{taken[stem]} and {video} would both publish as {stem}_step4.json: run them apart")
        taken[stem] = video


def run_one(video: Path, options: Mapping[str, Any], *, quiet: bool) -> dict[str, Any]:
    """Run the flow on one video and tell how it ended, whatever happened: the next video must have its turn."""
    started, began = time.perf_counter(), datetime.now(UTC)
    console = screen(stderr=True)
    try:
        manifest = run_flow(video, options, console)
    except Step4Error as error:
        refused = (options["output"] or video.parent) / WORKSPACE / "refused" / video.stem
        if not (isinstance(error, DriftError) and show_refused(video, refused, console)):
            console.print(f"step4: {error}", style="bold red", soft_wrap=True)
        return {"video": str(video), "exit_code": error.exit_code, "error": str(error)}
    except Exception as error:
        known = in_our_words(error)
        if known is None:
            log.exception("%s: unexpected error", video.name)
        else:
            console.print(f"step4: {known}", style="bold red", soft_wrap=True)
        code = known.exit_code if known else Step4Error.exit_code
        return {"video": str(video), "exit_code": code, "error": str(known or repr(error))}
    seconds = time.perf_counter() - started
    if not quiet:
        already = datetime.fromisoformat(manifest["published_at"]) < began.replace(microsecond=0)
        show_run(manifest, options["output"] or video.parent, seconds, already=already)
    return {"video": str(video), "exit_code": 0, "seconds": round(seconds, 3), "manifest": manifest}


def run_flow(video: Path, options: Mapping[str, Any], console: Console) -> dict[str, Any]:
    """The flow, with progress on a console."""
    with (
        in_this_process(),
        # Libraries print; stdout is for the result alone.
        redirect_stdout(sys.stderr),
        progress(console) as report,
        seams_in_force(replace(current_seams(), progress=report)),
    ):
        return dict(audio_analysis(video, **options))


def run_selfcheck(options: Mapping[str, Any], *, as_json: bool) -> int:
    """Run the self-check flow and show its answers; 3 where the profile's own plan diverged, 5 where it failed."""
    log_to_stderr(Configuration.resolve({"profile": options["profile"]}).log_level)
    with in_this_process(), redirect_stdout(sys.stderr):
        answers = selfcheck(**options)
    if as_json:
        print(json.dumps({"checks": answers}, ensure_ascii=False, indent=2))  # noqa: T201  # the product
    else:
        show_selfcheck(answers)
    codes = {"passed": 0, "diverged": DriftError.exit_code, "failed": EngineError.exit_code}
    return codes[answers[0]["outcome"]]


class OurHandler(logging.StreamHandler):  # type: ignore[type-arg]  # a class of the standard library, to be recognised
    """Shows the stages' lines on stderr."""


def log_to_stderr(level: str) -> None:
    """Show the stages' log lines, each once; a handler that Prefect added for its server stays."""
    handler = OurHandler(sys.stderr)
    handler.addFilter(lambda record: record.name != "step4.failed")  # said by `run_one`, once
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("step4")
    logger.handlers = [handler, *(other for other in logger.handlers if not isinstance(other, OurHandler))]
    logger.setLevel(level)
    logger.propagate = False

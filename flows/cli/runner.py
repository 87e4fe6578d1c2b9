"""`step4 run`, `batch`, `audit` and `selfcheck`: in this process, with progress and a summary at the end."""

import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from rich.console import Console

from flows.cli.closing_summary import show_runs
from flows.cli.console import print_json, progress, screen
from flows.cli.log_setup import log_to_stderr
from flows.cli.precheck import require_offline_models, require_possible
from flows.cli.stopwatch import Stopwatch
from flows.cli.summaries import show_audit, show_batch, show_refused, show_run, show_selfcheck
from profiles.settings import Configuration
from tasks.engine.core.errors import BatchError, DriftError, Step4Error, UsageError
from tasks.engine.core.exception_map import map_exception
from tasks.engine.core.printable import printable
from tasks.engine.dependencies import current_dependencies, use_dependencies
from tasks.engine.publishing.names import WORKSPACE, require_publishable
from tasks.orchestration.connection import server_named
from tasks.orchestration.server import require_server

log = logging.getLogger("step4")


def run_all(videos: Sequence[Path], options: Mapping[str, Any], *, as_json: bool) -> int:
    """Run each video; the exit code is the worst one's.

    Raises:
        UsageError: an option or a setting is wrong; no video was touched.
        ServiceError: the server that was named does not answer; likewise.
    """
    level = Configuration.resolve({"profile": options["profile"]}).log_level
    require_distinct(videos, options["output"])
    require_server()
    log_to_stderr(level)
    runs = [run_one(video.absolute(), options, quiet=as_json) for video in videos]
    code: int = max(run["exit_code"] for run in runs)
    if as_json:
        print_json({"exit_code": code, "runs": runs})
    elif len(runs) > 1:
        show_runs(runs)
    return code


def require_distinct(videos: Sequence[Path], output: Path | None) -> None:
    """Refuse two videos of one request that would publish under the same names.

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
    """Run one video and tell how it ended, whatever happened: the next video must have its turn."""
    watch, began = Stopwatch(), datetime.now(UTC)
    console, named = screen(stderr=True), printable(video)
    try:
        manifest = run_flow(video, options, console, watch)
    except Step4Error as error:
        refused = (options["output"] or video.parent) / WORKSPACE / "refused" / video.stem
        if not (isinstance(error, DriftError) and show_refused(video, refused, console)):
            console.print(f"step4: {printable(error)}", style="bold red", soft_wrap=True)
        return {"video": named, "exit_code": error.exit_code, "error": printable(error)}
    except Exception as error:
        known = map_exception(error)
        if known is None:
            log.exception("%s: unexpected error", video.name)
        else:
            console.print(f"step4: {known}", style="bold red", soft_wrap=True)
        code = known.exit_code if known else Step4Error.exit_code
        return {"video": named, "exit_code": code, "error": str(known or repr(error))}
    seconds = watch.seconds
    if not quiet:
        already = datetime.fromisoformat(manifest["published_at"]) < began.replace(microsecond=0)
        show_run(manifest, options["output"] or video.parent, seconds, already=already, split=watch.split)
    return {"video": named, "exit_code": 0, "seconds": round(seconds, 3), "manifest": manifest}


def run_flow(video: Path, options: Mapping[str, Any], console: Console, watch: Stopwatch) -> dict[str, Any]:
    """Run the flow, or its recipe, with progress on a console and a stopwatch running.

    Raises:
        Step4Error: a mistake that is seen at once, before the engine is loaded.
    """
    refuse_at_once(video, options)
    with (
        # Libraries print; stdout is for the result alone.
        redirect_stdout(sys.stderr),
        progress(console) as report,
        use_dependencies(replace(current_dependencies(), progress=watch.watching(report))),
    ):
        return dict(recipe_or_flow("audio_analysis", "analyse_video")(video, **options))


def refuse_at_once(video: Path, options: Mapping[str, Any]) -> None:
    """Answer the mistakes that need no engine to be seen, and record them as a run would.

    Raises:
        Step4Error: the run cannot end well.
    """
    output = (options["output"] or video.parent).absolute()
    require_publishable(video, output)  # a server could not even be told of another name
    try:
        require_possible(video, output, models_of(options))
    except Step4Error:
        from tasks.records.diagnostics import failures_recorded  # noqa: PLC0415  # loads what a run is

        with failures_recorded(video):
            raise


def models_of(options: Mapping[str, Any]) -> str:
    """Return the model set in force."""
    return Configuration.resolve({name: options[name] for name in ("profile", "models")}).models


def recipe_or_flow(module: str, recipe: str) -> Callable[..., Any]:
    """Return the flow of a module where a Prefect server was named, so that it shows there; else its bare recipe.

    Args:
        module: of `flows` and of `flows.recipes`; the flow has the module's name.
        recipe: the function in `flows.recipes`.
    """
    name = f"flows.{module}:{module}" if server_named() else f"flows.recipes.{module}:{recipe}"
    function: Callable[..., Any] = resolve_name(name)
    return function


def run_selfcheck(options: Mapping[str, Any], *, as_json: bool) -> int:
    """Run the self-check flow and show its answers; 3 where the profile's own plan diverged, 5 where it failed."""
    level = Configuration.resolve({"profile": options["profile"]}).log_level
    require_server()
    log_to_stderr(level)
    with redirect_stdout(sys.stderr):
        code, answers = checked(recipe_or_flow("selfcheck", "check_machine"), options)
    if as_json:
        print_json({"checks": answers})
    else:
        show_selfcheck(answers)
    return code


def checked(check: Callable[..., Any], options: Mapping[str, Any]) -> tuple[int, list[dict[str, Any]]]:
    """Return the exit code of a self-check and its answers, whether they came as a result or on an error."""
    try:
        return 0, check(**options)
    except BatchError as error:
        return error.exit_code, error.report["checks"]


def run_batch(options: Mapping[str, Any], *, as_json: bool) -> int:
    """Run the batch flow and show its report; the exit code is the worst video's.

    Raises:
        UsageError: an option, a setting or a folder is wrong; no video was touched.
        ModelError: models are missing.
    """
    from tasks.engine.batch.discovery import require_places  # noqa: PLC0415

    require_places(options["folders"])
    require_offline_models(models_of(options))
    return run_and_show(("batch", "run_batch"), options, show_batch, as_json=as_json)


def run_audit(options: Mapping[str, Any], *, as_json: bool) -> int:
    """Run the audit flow and show its report; the exit code is the worst timeline's.

    Raises:
        UsageError: a setting or a folder is wrong.
    """
    return run_and_show(("audit", "audit_folders"), options, show_audit, as_json=as_json)


def run_and_show(
    flow: tuple[str, str],
    options: Mapping[str, Any],
    show: Callable[[Mapping[str, Any], float], None],
    *,
    as_json: bool,
) -> int:
    """Run a flow that reports on many files; a report with failures is shown like any other.

    Args:
        flow: what `recipe_or_flow` takes.
        options: of the flow.
        show: prints the report and how long it took.
        as_json: print it as JSON instead.
    """
    level = Configuration.resolve({"profile": options.get("profile")}).log_level
    require_server()
    log_to_stderr(level)
    started = time.perf_counter()
    report = run_quietly(recipe_or_flow(*flow), options)
    if as_json:
        print_json(report)
    else:
        show(report, time.perf_counter() - started)
    return int(report["exit_code"])


def run_quietly(flow: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a flow's report, whether it came as a result or on an error; stdout stays clean."""
    with (
        redirect_stdout(sys.stderr),
        progress(screen(stderr=True)) as bars,
        use_dependencies(replace(current_dependencies(), progress=bars)),
    ):
        try:
            return dict(flow(**options))
        except BatchError as error:
            return error.report

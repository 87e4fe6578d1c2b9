"""`step4 batch` and `step4 audit`: the flow with progress on the terminal, and a summary that ends a long night."""

import json
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import replace
from typing import Any

# First: it quietens Prefect before Prefect is imported.
from flows.in_process import log_to_stderr  # isort: skip
from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.audit import audit
from flows.batch import batch
from flows.terminal import progress, screen
from profiles.settings import Configuration
from tasks.engine.errors import BatchError
from tasks.engine.seams import current_seams, seams_in_force
from tasks.server import in_this_process

WORST = 20
"""Failures in the summary; `--json` has all of them."""


def run_batch(options: Mapping[str, Any], *, as_json: bool) -> int:
    """Run the batch flow and show its report; the exit code is the worst video's.

    Raises:
        UsageError: an option, a setting or a folder is wrong; no video was touched.
    """
    return run_and_show(batch, options, show_batch, as_json=as_json)


def run_audit(options: Mapping[str, Any], *, as_json: bool) -> int:
    """Run the audit flow and show its report; the exit code is the worst timeline's.

    Raises:
        UsageError: a setting or a folder is wrong.
    """
    return run_and_show(audit, options, show_audit, as_json=as_json)


def run_and_show(
    flow: Callable[..., Any],
    options: Mapping[str, Any],
    show: Callable[[Mapping[str, Any], float], None],
    *,
    as_json: bool,
) -> int:
    """Run a flow that reports on many files; a report with failures is shown like any other."""
    log_to_stderr(Configuration.resolve({"profile": options.get("profile")}).log_level)
    started = time.perf_counter()
    report = run_quietly(flow, options)
    if as_json:
        print(json.dumps(report, ensure_ascii=False, indent=2))  # noqa: T201  # the product
    else:
        show(report, time.perf_counter() - started)
    return int(report["exit_code"])


def run_quietly(flow: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """A flow's report, whether it came as a result or on an error; stdout stays clean."""
    with (
        in_this_process(),
        redirect_stdout(sys.stderr),
        progress(screen(stderr=True)) as bars,
        seams_in_force(replace(current_seams(), progress=bars)),
    ):
        try:
            return dict(flow(**options))
        except BatchError as error:
            return error.report


def show_batch(report: Mapping[str, Any], seconds: float) -> None:
    """Counts, then the failures, the worst first."""
    console = screen()
    published = ", ".join(f"{count} {verdict}" for verdict, count in report["published"].items())
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_row("videos", str(report["videos"]))
    table.add_row("current", f"{report['current']} published before")
    table.add_row("published", published or "none")
    table.add_row("failed", str(report["failed"]))
    table.add_row("time", f"{seconds:.1f} s")
    console.print(table)
    show_failures(console, report["failures"], ("exit code", "video", "error"))


def show_audit(report: Mapping[str, Any], seconds: float) -> None:
    """The bound, what was drawn from where, then the findings, the worst first."""
    console = screen()
    console.print(report["sentence"], style="bold red" if report["failed"] else "bold green", soft_wrap=True)
    console.print(f"seed {report['seed']}, {seconds:.1f} s")
    table = Table("device", "profile", "published", "audited", box=None, header_style="bold")
    for one in report["strata"]:
        table.add_row(one["device"], one["profile"], str(one["published"]), str(one["audited"]))
    console.print(table)
    show_failures(console, report["failures"], ("exit code", "video", "error"))


def show_failures(console: Console, failures: list[Mapping[str, Any]], columns: tuple[str, ...]) -> None:
    """A table of what went wrong, as long as a person reads."""
    if not failures:
        return
    table = Table(*columns, box=None, header_style="bold", title="the worst first", title_justify="left")
    for one in failures[:WORST]:
        table.add_row(*(Text(str(one[column.replace(" ", "_")]), overflow="fold") for column in columns))
    console.print(table)
    if len(failures) > WORST:
        console.print(f"and {len(failures) - WORST} more: --json lists them all")

"""What a person sees: progress, the summary of a run, a drift report, the profiles."""

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.rule import Rule
from rich.text import Text

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

    from tasks.engine.inference.types import Progress
PIPED_WIDTH = 200
"""Characters to a line where nobody says how wide the reader is: rich would fold tables at 80."""
PAGE_WIDTH = 80
DONE = 100.0
"""Percent."""

log = logging.getLogger("step4")


def screen(*, stderr: bool = False, markup: bool = False) -> Console:
    """Return the terminal, or the file or pipe in its place."""
    stream = sys.stderr if stderr else sys.stdout
    width_known = stream.isatty() or "COLUMNS" in os.environ
    return Console(stderr=stderr, markup=markup, highlight=False, width=None if width_known else PIPED_WIDTH)


def print_json(value: object) -> None:
    r"""Print an object on stdout, for programs; a name that is not UTF-8 as `\\udce9`, which JSON can say."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    typer.echo(text.encode("utf-8", "backslashreplace").decode())


def heading(console: Console, name: str, style: str = "rule.line") -> None:
    """Print a video's name on a line across the terminal, or across a page."""
    console.print(Rule(Text(name), align="left", style=style), width=min(console.width, PAGE_WIDTH))


@contextmanager
def progress(console: Console) -> Iterator["Progress"]:
    """One bar per run on a terminal, which only grows and disappears in the end; elsewhere a log line per 10 %."""
    if not console.is_terminal:
        yield lines_per_tenth()
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(20), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bars:
        yield bar_of_runs(bars)


def bar_of_runs(bars: "Bars") -> "Progress":
    """Return a reporter that draws one run at a time; in a batch the next one begins where its networks are loaded."""
    from tasks.orchestration.progress import UNFINISHED, overall  # noqa: PLC0415  # loads what a run is

    bar = bars.add_task("", visible=False)
    shares: dict[str, float] = {}
    at_work: dict[str, str] = {}

    def report(stage: str, done: int, total: int) -> None:
        share, role = 100 * done / max(total, 1), stage.rpartition(": ")[0]
        of_role = {name: value for name, value in dict(shares).items() if name.rpartition(": ")[0] == role}
        if not done and stage in shares and overall(of_role) == DONE:
            shares.clear()
            at_work.clear()
            bars.reset(bar)
        shares[stage], at_work[role] = share, stage
        percent = max(bars.tasks[0].completed, min(UNFINISHED, overall(dict(shares))))
        bars.update(bar, completed=percent, description=", ".join(dict(at_work).values()), visible=True)

    return report


def lines_per_tenth() -> "Progress":
    """Return a reporter that logs a stage when it begins, and its progress when another tenth is done."""
    tenths: dict[str, int] = {}

    def report(stage: str, done: int, total: int) -> None:
        tenth = 10 * done // max(total, 1)
        if stage not in tenths and not done:
            tenths[stage] = 0
            log.info("%s", stage)
        if tenth < tenths.get(stage, 0):
            tenths.pop(stage)  # begun again, on another device
        if tenth > tenths.get(stage, 0):
            tenths[stage] = tenth
            log.info("%s: %d %%", stage, 10 * tenth)

    return report

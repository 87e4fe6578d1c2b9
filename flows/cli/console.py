"""What a person sees: progress, the summary of a run, a drift report, the profiles."""

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.rule import Rule
from rich.text import Text

if TYPE_CHECKING:
    from tasks.engine.inference.types import Progress
PIPED_WIDTH = 200
"""Characters to a line where nobody says how wide the reader is: rich would fold tables at 80."""
PAGE_WIDTH = 80

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
    """Bars on a terminal, elsewhere a log line per 10 %."""
    if not console.is_terminal:
        yield lines_per_tenth()
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description:<24}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bars:
        shown: dict[str, Any] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in shown:
                shown[stage] = bars.add_task(stage, total=total)
            bars.update(shown[stage], completed=done)

        yield report


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

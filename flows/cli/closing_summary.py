"""What stands last on the terminal after several videos: which of them have no timeline, and why."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from flows.cli.console import heading, screen


def show_runs(runs: Sequence[Mapping[str, Any]]) -> None:
    """Show a line per video, those without a timeline first, the worst of them at the top."""
    from tasks.engine.batch.outcomes import VideoOutcome  # noqa: PLC0415

    console = screen()
    failed = sorted(
        (run for run in runs if run["exit_code"]), key=lambda run: VideoOutcome(run["video"], run["exit_code"]).rank
    )
    published = [run for run in runs if not run["exit_code"]]
    heading(console, f"{len(runs)} videos: {len(published)} published, {len(failed)} failed")
    table = Table("exit code", "video", "ended", box=None, header_style="bold")
    for run in failed:
        table.add_row(str(run["exit_code"]), named(run), Text(run["error"], style="bold red", overflow="fold"))
    for run in published:
        table.add_row("0", named(run), run["manifest"]["verdict"])
    console.print(table)


def named(run: Mapping[str, Any]) -> Text:
    """Return the name of a run's video, whole."""
    return Text(Path(run["video"]).name, overflow="fold")

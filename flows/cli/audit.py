"""`step4 audit`: a sample of what was published, held against the reference computed afresh."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import AsJson


def audit(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Folders; everything below is included.")],
    sample: Annotated[int, typer.Option(min=1, help="How many timelines to draw.")] = 20,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Repeats a draw: 0 or more.", show_default="today's date")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check whether published timelines are still what the reference says: exit code 3 if not. Nothing is changed."""
    from flows.cli.runner import run_audit  # noqa: PLC0415

    raise typer.Exit(run_audit({"folders": folders, "sample": sample, "seed": seed}, as_json=as_json))

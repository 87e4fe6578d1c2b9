"""`step4 compare`: do two timelines agree?"""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import AsJson, FrameRate, frame_rate
from flows.cli.report import write_page
from tasks.engine.core.errors import DriftError


def compare(
    reference: Annotated[Path, typer.Argument(help="The trusted timeline: Parquet, _audio.json or a file of turns.")],
    candidate: Annotated[Path, typer.Argument(help="The timeline to hold against it.")],
    limits: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change a limit; may be repeated.")
    ] = None,
    fps: FrameRate = None,
    explain: Annotated[
        Path | None, typer.Option(metavar="VIDEO", help="On drift, compute again and name the stage that diverged.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page to look at, as `report` does.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Do two timelines agree? Exit code 0 if so, 3 if not."""
    from flows.cli.summaries import show_report  # noqa: PLC0415
    from tasks.engine.core.choices import Verdict  # noqa: PLC0415
    from tasks.engine.formats.detect import load_pair  # noqa: PLC0415
    from tasks.engine.gate.tolerance import Tolerance  # noqa: PLC0415
    from tasks.engine.gate.verdict import compare as hold_against  # noqa: PLC0415

    rate = frame_rate(fps)
    tolerance = Tolerance().replace_from(limits or [])
    trusted, candidate_timeline = load_pair(reference, candidate, rate)
    report = hold_against(trusted, candidate_timeline, tolerance)
    if explain:
        from tasks.explain import explain_afterwards  # noqa: PLC0415

        report = explain_afterwards(report, candidate_timeline.metadata, explain)
    if html:
        write_page(html, candidate_timeline, trusted, report, names=(candidate.name, reference.name))
    if as_json:
        typer.echo(report.to_json())
    else:
        show_report(report)
    raise typer.Exit(0 if report.verdict is Verdict.COHERENT else DriftError.exit_code)

"""`step4 export` and `step4 import`: timelines to and from other formats."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import FrameRate, frame_rate


class Format(StrEnum):
    """Formats that `export` writes."""

    AUDIO_JSON = "audio-json"
    RTTM = "rttm"
    JSON = "json"
    CSV = "csv"
    WEBVTT = "webvtt"
    AUDACITY = "audacity"


def export(
    timeline: Annotated[Path, typer.Argument(help="Timeline (Parquet, _audio.json) or turns (RTTM, CSV…).")],
    to: Annotated[Format, typer.Option("--to", help="Format to write.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File to write.", show_default="stdout")] = None,
    exclusive: Annotated[
        bool, typer.Option("--exclusive", help="One speaker at a time; of a run with --exclusive.")
    ] = False,
) -> None:
    """Convert a timeline to another format."""
    from tasks.engine.formats.convert import export as convert  # noqa: PLC0415
    from tasks.engine.publishing.manifest import turns_published_with  # noqa: PLC0415

    turns = turns_published_with(timeline, exclusive=exclusive)
    convert(timeline, to.value, output, turns, exclusive=exclusive)


def import_(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="_audio.json, RTTM, JSON, CSV, WebVTT, Audacity.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File to write.", show_default="NAME_timeline.parquet")
    ] = None,
    fps: FrameRate = None,
    frames: Annotated[
        int | None, typer.Option(min=1, max=1 << 25, help="Frames of the video.", show_default="up to the last turn")
    ] = None,
) -> None:
    """Turn an _audio.json of any known shape, or a file of turns, into a timeline in Parquet."""
    from tasks.engine.formats.detect import load  # noqa: PLC0415
    from tasks.engine.formats.timeline_parquet import write_timeline  # noqa: PLC0415

    stem = Path(source.name.removesuffix(".gz")).stem.removesuffix("_audio").removesuffix("_turns")
    target = output or source.with_name(f"{stem}_timeline.parquet")
    write_timeline(target, load(source, frame_rate(fps), frames))
    typer.echo(f"{target}", err=True)

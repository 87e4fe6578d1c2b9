"""`step4 export` and `step4 import`: timelines to and from other formats."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.options import frame_rate


class Format(StrEnum):
    """Formats that `export` writes."""

    AUDIO_JSON = "audio-json"
    RTTM = "rttm"
    JSON = "json"


def export(
    timeline: Annotated[Path, typer.Argument(help="Timeline, Parquet or _audio.json.")],
    to: Annotated[Format, typer.Option("--to", help="Format to write.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File to write; default: stdout.")] = None,
) -> None:
    """Convert a timeline to another format."""
    from tasks.engine.formats.export import export as convert  # noqa: PLC0415

    convert(timeline, to.value, output)


def import_(
    audio_json: Annotated[Path, typer.Argument(help="An _audio.json of any known shape, gzipped or not.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Default: NAME_timeline.parquet.")] = None,
    fps: Annotated[str | None, typer.Option(help="Frame rate of files that state none; 25 by default.")] = None,
) -> None:
    """Turn an _audio.json into a timeline in Parquet."""
    from tasks.engine.formats import audio_json as reader  # noqa: PLC0415
    from tasks.engine.formats.timeline_parquet import write_timeline  # noqa: PLC0415

    stem = audio_json.name.removesuffix(".gz").removesuffix(".json").removesuffix("_audio")
    target = output or audio_json.with_name(f"{stem}_timeline.parquet")
    write_timeline(target, reader.read(audio_json, frame_rate(fps)))
    typer.echo(f"{target}", err=True)

"""`step4 report`: a page to look at."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.options import FrameRate, frame_rate

if TYPE_CHECKING:
    from tasks.engine.core.timeline import Timeline
    from tasks.engine.gate.drift_report import DriftReport


class Language(StrEnum):
    """Languages of the page."""

    FR = "fr"
    EN = "en"


def report(
    timeline: Annotated[Path, typer.Argument(help="Timeline (Parquet, _audio.json) or turns (RTTM, CSV…).")],
    output: Annotated[Path, typer.Option("-o", "--output", help="HTML file to write.")],
    against: Annotated[Path | None, typer.Option(help="The trusted timeline to hold it against.")] = None,
    audio: Annotated[
        Path | None, typer.Option(help="Video or audio file: adds its waveform, and its sound, 20 minutes at most.")
    ] = None,
    lang: Annotated[Language | None, typer.Option(help="Language of the page.", show_default="the browser's")] = None,
    fps: FrameRate = None,
) -> None:
    """Write a page to look at: who speaks when, where two timelines differ, what a run proved."""
    from tasks.engine.formats.detect import load, load_pair  # noqa: PLC0415
    from tasks.engine.gate.verdict import compare as hold_against  # noqa: PLC0415
    from tasks.engine.publishing.manifest import manifest_of  # noqa: PLC0415

    rate, manifest = frame_rate(fps), None
    if against is None:
        candidate, trusted, drift = load(timeline, rate), None, None
        manifest = manifest_of(timeline)
    else:
        trusted, candidate = load_pair(against, timeline, rate)
        drift = hold_against(trusted, candidate)
    names = (timeline.name, against.name if against else "")
    write_page(output, candidate, trusted, drift, names=names, audio=audio, lang=lang, manifest=manifest)
    typer.echo(f"{output}", err=True)


def write_page(
    output: Path,
    candidate: "Timeline",
    reference: "Timeline | None",
    drift: "DriftReport | None",
    *,
    names: tuple[str, str],
    audio: Path | None = None,
    lang: Language | None = None,
    manifest: Mapping[str, Any] | None = None,
) -> None:
    """Write the page of one timeline, or of a comparison.

    Args:
        output: the HTML file.
        candidate: what is shown.
        reference: what it was compared with, if anything.
        drift: the comparison's report.
        names: of the two files.
        audio: the recording.
        lang: the browser's where None.
        manifest: of a single timeline that is published.
    """
    from tasks.engine.core.printable import printable  # noqa: PLC0415
    from tasks.engine.report.page import Side, Sound, write  # noqa: PLC0415

    heard: AbstractContextManager[Sound | None] = nullcontext()
    if audio:
        from tasks.report import sound_from  # noqa: PLC0415

        heard = sound_from(audio, drift, candidate.metadata.get("parameters", {}))
    name, other = map(printable, names)
    trusted = Side(reference, other) if reference else None
    with heard as sound:
        write(output, Side(candidate, name), trusted, drift, sound, lang and lang.value, manifest=manifest)

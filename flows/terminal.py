"""What a person sees: progress, the summary of a run, a drift report, the profiles."""

import json
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from profiles.profile import Profile
    from tasks.engine.diarizer import Progress
    from tasks.engine.gate.report import DriftReport
    from tasks.engine.turns import Turn

LANE_WIDTH = 60
PIPED_WIDTH = 200
"""Characters to a line where nobody says how wide the reader is: rich would fold tables at 80."""
PAGE_WIDTH = 80
PASSED = {True: "[green]pass[/]", False: "[bold red]FAIL[/]", None: "not measured"}

VERDICT_STYLES = {"coherent": "bold green", "drift": "bold red", "unverified": "yellow"}

log = logging.getLogger("step4")


def screen(*, stderr: bool = False, markup: bool = False) -> Console:
    """The terminal, or the file or pipe in its place."""
    stream = sys.stderr if stderr else sys.stdout
    told = stream.isatty() or "COLUMNS" in os.environ
    return Console(stderr=stderr, markup=markup, highlight=False, width=None if told else PIPED_WIDTH)


def heading(console: Console, name: str, style: str = "rule.line") -> None:
    """A video's name on a line across the terminal, or across a page."""
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
    """A reporter that logs each stage's progress when another tenth is done."""
    tenths: dict[str, int] = {}

    def report(stage: str, done: int, total: int) -> None:
        tenth = 10 * done // max(total, 1)
        if tenth < tenths.get(stage, 0):
            tenths.pop(stage)  # begun again, on another device
        if tenth > tenths.get(stage, 0):
            tenths[stage] = tenth
            log.info("%s: %d %%", stage, 10 * tenth)

    return report


def show_run(manifest: Mapping[str, Any], folder: Path, seconds: float, *, already: bool) -> None:
    """The summary of a published run: verdict, speech, speakers, device, time, files, and who speaks when."""
    from tasks.engine.formats import turns_parquet  # noqa: PLC0415

    console = screen()
    source, summary = manifest["source"], manifest["summary"]
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for label, value in summary_rows(manifest, seconds, already=already):
        table.add_row(
            label, Text(value, style=VERDICT_STYLES.get(manifest.get("verdict", ""), "") * (label == "verdict"))
        )
    table.add_row("beside it", Text(", ".join(manifest["files"])))
    heading(console, source["name"])
    # Alone on its line, however long, so that it can be copied.
    path = folder / f"{Path(source['name']).stem}_step4.json"
    console.print(Text.assemble(("manifest      ", "bold"), str(path)), soft_wrap=True)
    console.print(table)
    turns = next(folder / name for name in manifest["files"] if name.endswith("_turns.parquet"))
    for speaker, lane in lanes(turns_parquet.read(turns), source["duration_sec"]):
        console.print(f"  {speaker:<12}▕{lane}▏", soft_wrap=True)
    if summary["speakers"]:
        console.print(f"  {'':<12} 0 s{source['duration_sec']:>{LANE_WIDTH - 5}.0f} s")


def summary_rows(manifest: Mapping[str, Any], seconds: float, *, already: bool) -> Iterator[tuple[str, str]]:
    """(label, value) of each line."""
    source, summary, device = manifest["source"], manifest["summary"], manifest["device"]
    yield "verdict", manifest["verdict_sentence"]
    yield "speech", f"{summary['speech_frames']} of {summary['frames']} frames, {summary['percent']:.1f} %"
    first = summary["first_speech_sec"]
    yield "first speech", "none" if first is None else f"{first:.2f} s"
    shares = (f"{one['name']} {one['percent']:.0f} %" for one in summary["speakers"])
    yield "speakers", ", ".join(shares) or "none"
    if source["fps_assumed"]:
        yield "frames", "no picture: 25 frames a second assumed"
    if source["audio"] == "no_audio_stream":
        yield "device", "none needed: no_audio_stream"
    else:
        details = f"{device['precision'].upper()}, batch {device['batch_size']}"
        yield "device", f"{device['device']} ({device['device_name']}), {details}: {device['reason']}"
    spent = f"{seconds:.1f} s for {source['duration_sec']:.1f} s of video"
    yield "time", f"{seconds:.1f} s: published before, nothing computed" if already else spent


def show_refused(video: Path, refused: Path, console: Console) -> bool:
    """Verdict, worst criterion, stage and page of a refused run; False where its files were not kept."""
    try:
        report = json.loads((refused / "drift.json").read_text(encoding="utf-8"))
        rows = list(refusal_rows(report, refused))
    except (OSError, ValueError, KeyError, TypeError):
        return False
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for label, value in rows:
        table.add_row(label, Text(value, style="bold red" if label == "verdict" else ""))
    heading(console, video.name, style="red")
    console.print(table)
    return True


def refusal_rows(report: Mapping[str, Any], refused: Path) -> Iterator[tuple[str, str]]:
    """(label, value) of each line."""
    criteria = {one["name"]: one for one in report["criteria"]}
    failed = sum(one["passed"] is False for one in criteria.values())
    counted = f"{failed} of {len(criteria)} criteria failed, nothing was published"
    yield "verdict", f"{report['verdict']}: {report['reason'] or counted}"
    worst = criteria.get(report["worst"])
    if worst:
        value = "infinite" if worst["value"] is None else f"{worst['value']:.4g}"
        limit = f"limit {'<' if worst['strict'] else '<='} {worst['limit']:g} {worst['unit']}".rstrip()
        yield "worst", f"{worst['title']} {value} {worst['unit']}".rstrip() + f" ({limit}); {worst['detail']}"
    if report["localisation"]:
        yield "stage", f"{report['localisation']['stage']}: {report['localisation']['advice']}"
    page = refused / "report.html"
    shown = page if page.is_file() else refused
    yield "look at", str(shown.relative_to(Path.cwd()) if shown.is_relative_to(Path.cwd()) else shown)


def lanes(turns: Iterable["Turn"], duration: float) -> Iterator[tuple[str, str]]:
    """(speaker, picture) per speaker: a cell is full where the speaker talks for most of it, half for some of it."""
    turns = list(turns)
    cell = duration / LANE_WIDTH if duration else 1.0
    for speaker in sorted({turn.speaker for turn in turns}):
        talked = [
            sum(
                max(0.0, min(turn.end, (i + 1) * cell) - max(turn.start, i * cell))
                for turn in turns
                if turn.speaker == speaker
            )
            for i in range(LANE_WIDTH)
        ]
        yield speaker, "".join("█" if t > cell / 2 else "▌" if t > 0 else " " for t in talked)


def show_report(report: "DriftReport") -> None:
    """Verdict first, then each criterion with value and limit."""
    console = screen(markup=True)
    console.print(Text(report.sentence), style="bold green" if not report.failed and not report.reason else "bold red")
    if report.criteria:
        table = Table("criterion", "value", "limit", "", "detail", box=None, header_style="bold")
        for one in report.criteria:
            value = "" if one.value is None else f"{one.value:.4g} {one.unit}"
            limit = f"{'<' if one.strict else '<='} {one.limit:g} {one.unit}"
            table.add_row(one.title, value, limit, PASSED[one.passed], Text(one.detail))
        console.print(table)
    if report.localisation:
        console.print(Text(report.localisation.sentence), style="bold")
    for flips in report.flips:
        console.print(Text(f"  {flips}"))
    for note in report.notes:
        console.print(Text(f"note: {note}"))


def show_profiles(profiles: Iterable["Profile"]) -> None:
    """One line per profile."""
    table = Table("profile", "aliases", "device", "precision", "batch", "for", box=None, header_style="bold")
    for one in profiles:
        table.add_row(one.name, ", ".join(one.aliases), one.device, one.precision, str(one.batch_size), one.description)
    screen(markup=True).print(table)


def show_selfcheck(answers: Iterable[Mapping[str, Any]]) -> None:
    """Each plan that was tried, and what each level said."""
    console = screen()
    for answer in answers:
        known = " (known)" if answer["cached"] else ""
        style = "bold green" if answer["passed"] else "bold red"
        title = (
            f"{answer['device']} ({answer['device_name']}), {answer['precision'].upper()}: {answer['verdict']}{known}"
        )
        console.print(title, style=style)
        for level in answer["levels"]:
            console.print(f"  {level['level_db']:>4} dB  {level['sentence']}")
        if answer["note"]:
            console.print(f"  {answer['note']}")

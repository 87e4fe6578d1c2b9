"""Summaries on the terminal: of a run, a refusal, a batch, an audit, a self-check, the profiles."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.cli.console import heading, screen

if TYPE_CHECKING:
    from profiles.profile import Profile
    from tasks.engine.core.turns import Turn
    from tasks.engine.gate.drift_report import DriftReport

WORST = 20
"""Failures in the summary; `--json` has all of them."""


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
    """Show the bound, what was drawn from where, then the findings, the worst first."""
    console = screen()
    console.print(report["sentence"], style="bold red" if report["failed"] else "bold green", soft_wrap=True)
    console.print(f"seed {report['seed']}, {seconds:.1f} s")
    table = Table("device", "profile", "published", "audited", box=None, header_style="bold")
    for stratum in report["strata"]:
        table.add_row(stratum["device"], stratum["profile"], str(stratum["published"]), str(stratum["audited"]))
    console.print(table)
    for copy in report["changed_by_others"]:
        console.print(f"changed by others, its timeline is sound: {copy}", soft_wrap=True)
    show_failures(console, report["failures"], ("exit code", "video", "error"))


def show_failures(console: Console, failures: list[Mapping[str, Any]], columns: tuple[str, ...]) -> None:
    """Show a table of what went wrong, as long as a person reads."""
    if not failures:
        return
    table = Table(*columns, box=None, header_style="bold", title="the worst first", title_justify="left")
    for failure in failures[:WORST]:
        table.add_row(*(Text(str(failure[column.replace(" ", "_")]), overflow="fold") for column in columns))
    console.print(table)
    if len(failures) > WORST:
        console.print(f"and {len(failures) - WORST} more: --json lists them all")


LANE_WIDTH = 60


PASSED = {True: "[green]pass[/]", False: "[bold red]FAIL[/]", None: "not measured"}


VERDICT_STYLES = {"coherent": "bold green", "drift": "bold red", "unverified": "yellow"}


def show_run(manifest: Mapping[str, Any], folder: Path, seconds: float, *, already: bool, split: str = "") -> None:
    """Show the summary of a published run: verdict, speech, speakers, device, time, files, and who speaks when."""
    from tasks.engine.formats import turns_parquet  # noqa: PLC0415
    from tasks.engine.publishing.exchange import changed_by_others  # noqa: PLC0415

    console = screen()
    source, summary = manifest["source"], manifest["summary"]
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for label, value in summary_rows(manifest, seconds, already=already, split=split):
        table.add_row(
            label, Text(value, style=VERDICT_STYLES.get(manifest.get("verdict", ""), "") * (label == "verdict"))
        )
    table.add_row("beside it", Text(", ".join(manifest["files"])))
    for path in changed_by_others(folder, manifest):
        table.add_row("left alone", f"{path.name}: changed by others, --refresh writes it anew")
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


def summary_rows(
    manifest: Mapping[str, Any], seconds: float, *, already: bool, split: str = ""
) -> Iterator[tuple[str, str]]:
    """Yield (label, value) of each line."""
    source, summary, device = manifest["source"], manifest["summary"], manifest["device"]
    yield "verdict", manifest["verdict_sentence"]
    yield (
        "speech",
        f"{summary['speech_frames']} of {summary['frames']} frames, {summary['percent']:.1f} %{in_time(summary)}",
    )
    first = summary["first_speech_sec"]
    yield "first speech", "none" if first is None else f"{first:.2f} s"
    shares = (f"{speaker['name']} {speaker['percent']:.0f} %" for speaker in summary["speakers"])
    yield "speakers", ", ".join(shares) or "none"
    if manifest.get("speakers", {}).get("asked"):
        yield "asked for", manifest["speakers"]["sentence"]
    if source["fps_assumed"]:
        yield "frames", "no picture: 25 frames a second assumed"
    for note in source.get("notes", ()):
        yield "note", note
    if source["audio"] == "no_audio_stream":
        yield "device", "none needed: no_audio_stream"
    else:
        details = f"{device['precision'].upper()}, batch {device['batch_size']}"
        yield "device", f"{device['device']} ({device['device_name']}), {details}: {device['reason']}"
    spent = f"{seconds:.1f} s for {source['duration_sec']:.1f} s of video{split}"
    yield "time", f"{seconds:.1f} s: published before, nothing computed" if already else spent


def in_time(summary: Mapping[str, Any]) -> str:
    """Say how long the speech lasts, where frames show for different times and their share says little."""
    percent = summary.get("time_percent", summary["percent"])
    return "" if round(percent, 1) == round(summary["percent"], 1) else f"; {percent:.1f} % of the time"


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
    """Yield (label, value) of each line."""
    criteria = {criterion["name"]: criterion for criterion in report["criteria"]}
    failed = sum(criterion["passed"] is False for criterion in criteria.values())
    counted = f"{failed} of {len(criteria)} criteria failed, nothing was published"
    yield "verdict", f"{report['verdict']}: {report['reason'] or counted}"
    worst = criteria.get(report["worst"])
    if worst:
        beyond, unit = worst["value"] is None, worst["unit"]
        value = "beyond any limit" if beyond else f"{worst['value']:.4g} {unit}".rstrip()
        limit = f"{'below' if worst['strict'] else 'at most'} {worst['limit']:g} {unit}".rstrip()
        yield "worst", f"{worst['title']} {value} ({limit} allowed); {worst['detail']}"
    if report["localisation"]:
        yield "stage", f"{report['localisation']['stage']}: {report['localisation']['advice']}"
    yield "needed now", "run again with --on-drift substitute: it publishes the CPU's timeline"
    page = refused / "report.html"
    shown = page if page.is_file() else refused
    yield "look at", str(shown.relative_to(Path.cwd()) if shown.is_relative_to(Path.cwd()) else shown)


def lanes(turns: Iterable["Turn"], duration: float) -> Iterator[tuple[str, str]]:
    """Yield (speaker, lane): a cell is full where the speaker talks for most of it, half for some of it."""
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
        for criterion in report.criteria:
            value, limit = criterion.value_in_words, criterion.limit_in_words
            table.add_row(criterion.title, value, limit, PASSED[criterion.passed], Text(criterion.detail))
        console.print(table)
    if report.localization:
        console.print(Text(report.localization.sentence), style="bold")
    for flips in report.flips:
        console.print(Text(f"  {flips}"))
    for note in report.notes:
        console.print(Text(f"note: {note}"))


def show_profiles(profiles: Iterable["Profile"]) -> None:
    """Show one line per profile."""
    table = Table("profile", "aliases", "device", "precision", "batch", "for", box=None, header_style="bold")
    for profile in profiles:
        table.add_row(
            profile.name,
            ", ".join(profile.aliases),
            profile.device,
            profile.precision,
            str(profile.batch_size),
            profile.description,
        )
    screen(markup=True).print(table)


def show_selfcheck(answers: Iterable[Mapping[str, Any]]) -> None:
    """Show each plan that was tried, and what each level said."""
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

"""Content of the page in one language: sentences, tables and bars; everything but the charts."""

from collections.abc import Mapping
from typing import Any

from tasks.engine.core.choices import Verdict
from tasks.engine.core.timeline import Timeline
from tasks.engine.gate.criteria import Criterion
from tasks.engine.gate.drift_report import DriftReport
from tasks.engine.gate.findings import Localization
from tasks.engine.gate.measurements import Agreement
from tasks.engine.report.chart_data import Place
from tasks.engine.report.messages import Messages

LIMIT_PERCENT = 50
"""Where the limit is on a bar, in percent of its length."""

MARKS = {True: "pass", False: "fail", None: "unmeasured"}
"""`Criterion.passed` to CSS class and message."""


def verdict_sentence(messages: Messages, report: DriftReport | None, candidate: Timeline) -> str:
    """Write the page's first sentence."""
    summary = candidate.summary
    if report is None:
        first, percent = messages.clock(summary.first_speech_sec), messages.percent(summary.percent)
        return messages("alone", percent=percent, first=first, count=len(summary.speakers))
    if report.verdict is Verdict.REFERENCE:
        return messages("reference_verdict")
    worst = report.worst
    return messages(
        str(report.verdict),
        failed=len(report.failed),
        total=len(report.criteria),
        measured=sum(criterion.passed is not None for criterion in report.criteria),
        worst=messages.texts["titles"][worst.name] if worst else "",
        value=messages.quantity(worst.value, worst.unit) if worst else "",
        limit=limit(messages, worst) if worst else "",
        bound=messages.quantity(worst.limit, worst.unit) if worst else "",
    )


def limit(messages: Messages, criterion: Criterion) -> str:
    """Write a limit with its unit, and whether it may be reached."""
    return messages(
        "below" if criterion.strict else "at_most", limit=messages.quantity(criterion.limit, criterion.unit)
    )


def criteria(messages: Messages, report: DriftReport | None) -> list[dict[str, Any]]:
    """Make a row per criterion: title, value, limit, bar (percent of its length), mark and detail."""
    if report is None or report.agreement is None:
        return []
    fields = detail_fields(messages, report.agreement)
    return [
        {
            "name": criterion.name,
            "title": messages.texts["titles"][criterion.name],
            "value": messages.quantity(criterion.value, criterion.unit),
            "limit": limit(messages, criterion),
            "bar": None if criterion.value is None else min(100.0, LIMIT_PERCENT * criterion.excess),
            "mark": MARKS[criterion.passed],
            "result": messages(MARKS[criterion.passed]),
            "detail": messages.texts["details"][criterion.name].format(**fields),
        }
        for criterion in report.criteria
    ]


def detail_fields(messages: Messages, agreement: Agreement) -> dict[str, str | int]:
    """Format the measurements, by field of the criteria's details."""
    speakers, stretch, scores = agreement.speakers, agreement.worst_stretch, agreement.scores
    return {
        "first_reference": messages.clock(agreement.first_reference_sec),
        "first_candidate": messages.clock(agreement.first_candidate_sec),
        "percent_reference": messages.percent(agreement.reference_percent),
        "percent_candidate": messages.percent(agreement.candidate_percent),
        "flipped": agreement.flipped,
        "frames": agreement.frames,
        "ties": scores.ties if scores else messages("unknown"),
        "start": messages.clock(stretch.start_sec),
        "end": messages.clock(stretch.end_sec),
        "first": stretch.first_frame,
        "last": stretch.last_frame,
        "der_forth": messages.percent(speakers.der.candidate_against_reference),
        "der_back": messages.percent(speakers.der.reference_against_candidate),
        "jer_forth": messages.percent(speakers.jer.candidate_against_reference),
        "jer_back": messages.percent(speakers.jer.reference_against_candidate),
        "count_reference": speakers.reference_count,
        "count_candidate": speakers.candidate_count,
        "largest_frame": scores.largest_frame if scores else messages("unknown"),
    }


def localization(messages: Messages, located: Localization | None) -> dict[str, str] | None:
    """Write the first stage that diverged, its place and numbers, and the advice; None where none was located."""
    if located is None:
        return None
    place, own = "", located.difference
    if own is not None and own.seconds is not None:
        largest = messages("unknown") if own.largest is None else messages.number(own.largest, 3)
        share = messages.percent(100 * own.share)
        place = messages("stage_place", seconds=messages.number(own.seconds), largest=largest, share=share)
    stage = messages("stage_first", stage=messages.texts["stages"][str(located.stage)])
    return {"stage": stage, "place": place, "advice": located.advice}


def notes(candidate: Timeline, report: DriftReport | None) -> list[str]:
    """Return what people should know: of the recording and its sound, as the file says, and of the comparison."""
    source = candidate.metadata.get("source")
    said = source.get("notes", ()) if isinstance(source, Mapping) else ()
    return [*map(str, said), *(report.notes if report else ())]


def places(messages: Messages, worst: list[Place]) -> list[dict[str, Any]]:
    """Write each place as a sentence, with the seconds to show."""
    return [
        {
            "start": place.stretch.start_sec,
            "end": place.stretch.end_sec,
            "text": messages(
                "place",
                start=messages.clock(place.stretch.start_sec),
                end=messages.clock(place.stretch.end_sec),
                first=place.stretch.first_frame,
                last=place.stretch.last_frame,
                flipped=place.differing,
            ),
        }
        for place in worst
    ]


def side(messages: Messages, timeline: Timeline, path: str) -> dict[str, str]:
    """Describe one side: file, device, precision, profile, speech and speakers."""
    metadata, summary = timeline.metadata, timeline.summary
    device = metadata.get("device")
    device = device if isinstance(device, Mapping) else {}
    name = " ".join(str(device[key]) for key in ("device", "device_name") if device.get(key))
    shares = ", ".join(f"{speaker.name} {messages.percent(round(speaker.percent))}" for speaker in summary.speakers)
    return {
        "file": path,
        "device": name or messages("unknown"),
        "precision": str(device.get("precision") or messages("unknown")),
        "profile": str(metadata.get("profile") or messages("unknown")),
        "speech": f"{messages.percent(summary.percent)} ({summary.speech_frames} / {summary.frames})",
        "first_speech": messages.clock(summary.first_speech_sec),
        "speakers": shares or messages("nobody"),
    }

"""What the page says in words, tables and bars: everything but the pictures."""

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

LIMIT_AT = 50
"""Where the limit stands on a bar, in percent of its length."""

MARKS = {True: "pass", False: "fail", None: "unmeasured"}


def verdict_sentence(words: Messages, report: DriftReport | None, candidate: Timeline) -> str:
    """The page's first sentence."""
    summary = candidate.summary
    if report is None:
        first, percent = words.clock(summary.first_speech_sec), words.percent(summary.percent)
        return words("alone", percent=percent, first=first, count=len(summary.speakers))
    if report.verdict is Verdict.REFERENCE:
        return words("reference_verdict")
    worst = report.worst
    return words(
        str(report.verdict),
        failed=len(report.failed),
        total=len(report.criteria),
        measured=sum(one.passed is not None for one in report.criteria),
        worst=words.texts["titles"][worst.name] if worst else "",
        value=words.quantity(worst.value, worst.unit) if worst else "",
        limit=limit(words, worst) if worst else "",
        bound=words.quantity(worst.limit, worst.unit) if worst else "",
    )


def limit(words: Messages, criterion: Criterion) -> str:
    """A limit in words."""
    return words("below" if criterion.strict else "at_most", limit=words.quantity(criterion.limit, criterion.unit))


def criteria(words: Messages, report: DriftReport | None) -> list[dict[str, Any]]:
    """One row per criterion: title, value, limit, bar (percent of its length), mark and detail."""
    if report is None or report.agreement is None:
        return []
    fields = detail_fields(words, report.agreement)
    return [
        {
            "name": one.name,
            "title": words.texts["titles"][one.name],
            "value": words.quantity(one.value, one.unit),
            "limit": limit(words, one),
            "bar": None if one.value is None else min(100.0, LIMIT_AT * one.excess),
            "mark": MARKS[one.passed],
            "result": words(MARKS[one.passed]),
            "detail": words.texts["details"][one.name].format(**fields),
        }
        for one in report.criteria
    ]


def detail_fields(words: Messages, found: Agreement) -> dict[str, str | int]:
    """What the details of the criteria are made of."""
    speakers, stretch, scores = found.speakers, found.worst_stretch, found.scores
    return {
        "first_reference": words.clock(found.first_reference_sec),
        "first_candidate": words.clock(found.first_candidate_sec),
        "percent_reference": words.percent(found.reference_percent),
        "percent_candidate": words.percent(found.candidate_percent),
        "flipped": found.flipped,
        "frames": found.frames,
        "ties": scores.ties if scores else words("unknown"),
        "start": words.clock(stretch.start_sec),
        "end": words.clock(stretch.end_sec),
        "first": stretch.first_frame,
        "last": stretch.last_frame,
        "der_forth": words.percent(speakers.der.candidate_against_reference),
        "der_back": words.percent(speakers.der.reference_against_candidate),
        "jer_forth": words.percent(speakers.jer.candidate_against_reference),
        "jer_back": words.percent(speakers.jer.reference_against_candidate),
        "count_reference": speakers.reference_count,
        "count_candidate": speakers.candidate_count,
        "largest_frame": scores.largest_frame if scores else words("unknown"),
    }


def located(words: Messages, found: Localization | None) -> dict[str, str] | None:
    """The first stage that diverged, its place and numbers, and the advice."""
    if found is None:
        return None
    one = next((one for one in found.differences if one.stage is found.stage), None)
    place = ""
    if one is not None and one.seconds is not None:
        largest = words("unknown") if one.largest is None else words.number(one.largest, 3)
        share = words.percent(100 * one.share)
        place = words("stage_place", seconds=words.number(one.seconds), largest=largest, share=share)
    stage = words("stage_first", stage=words.texts["stages"][str(found.stage)])
    return {"stage": stage, "place": place, "advice": found.advice}


def places(words: Messages, found: list[Place]) -> list[dict[str, Any]]:
    """Each stretch as a sentence, with the seconds to show."""
    return [
        {
            "start": one.start_sec,
            "end": one.end_sec,
            "text": words(
                "place",
                start=words.clock(one.start_sec),
                end=words.clock(one.end_sec),
                first=one.first,
                last=one.last,
                flipped=one.flipped,
            ),
        }
        for one in found
    ]


def side(words: Messages, timeline: Timeline, path: str) -> dict[str, str]:
    """What computed one side, and what it found."""
    known, summary = timeline.metadata, timeline.summary
    device = known.get("device")
    device = device if isinstance(device, Mapping) else {}
    name = " ".join(str(device[key]) for key in ("device", "device_name") if device.get(key))
    shares = ", ".join(f"{one.name} {words.percent(round(one.percent))}" for one in summary.speakers)
    return {
        "file": path,
        "device": name or words("unknown"),
        "precision": str(device.get("precision") or words("unknown")),
        "profile": str(known.get("profile") or words("unknown")),
        "speech": f"{words.percent(summary.percent)} ({summary.speech_frames} / {summary.frames})",
        "first_speech": words.clock(summary.first_speech_sec),
        "speakers": shares or words("nobody"),
    }

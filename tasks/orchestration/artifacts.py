"""What the Prefect UI shows of a run: verdict, criteria and a picture of both timelines."""

import base64
import re
from typing import Any

from tasks.engine.core.choices import Decision
from tasks.engine.formats.detect import load_timeline
from tasks.engine.gate.criteria import Criterion
from tasks.engine.gate.drift_report import DriftReport
from tasks.engine.gate.findings import SpotCheck
from tasks.engine.report import sample
from tasks.engine.report.messages import load_messages
from tasks.engine.report.timeline_plot import draw
from tasks.orchestration.connection import best_effort, connected
from tasks.orchestration.report_link import offer_page
from tasks.orchestration.stage import stage
from tasks.run import Run, StagedTimeline

LARGEST_PICTURE = 200_000
"""Bytes: the server keeps every artifact in its database."""

ENDINGS = {
    Decision.PUBLISH: "The candidate is published.",
    Decision.SUBSTITUTE: "The reference is published in the candidate's place.",
    Decision.REFUSE: "Nothing is published.",
}
NEEDED_NOW = (
    "Needed now? Run again with On drift = substitute, which publishes the CPU's timeline, or with Profile = cpu. "
    "On drift = warn publishes the candidate all the same: only after you looked at the page."
)
"""What a person can choose after a refusal, in the words of the form."""

PASSED = {True: "pass", False: "FAIL", None: "not measured"}


def show(
    run: Run, report: DriftReport, candidate: StagedTimeline, reference: StagedTimeline | None, decision: Decision
) -> None:
    """Leave the artifacts of a compared run on the server: before it is refused, so that a failed run has them too.

    Args:
        run: names and places.
        report: the gate's.
        candidate: what was compared, still staged.
        reference: what it was held against, if anything.
        decision: what happens next.
    """
    if not connected():
        return
    from prefect.artifacts import create_markdown_artifact, create_table_artifact  # noqa: PLC0415  # flow runs only

    with best_effort("The artifacts"):
        compared = load_timeline(reference.timeline) if reference else None
        picture = draw(load_timeline(candidate.timeline), compared)
        page = offer_page(run, key("report", run.stem))
        text = markdown(run, report, candidate, decision, picture, page)
        create_markdown_artifact(text, key=key("timeline", run.stem), description=str(report.verdict))
        if report.criteria:
            create_table_artifact(rows(report.criteria), key=key("criteria", run.stem), description=report.sentence)


def key(kind: str, stem: str) -> str:
    """Spell an artifact's key for a video: lowercase letters, digits and dashes is all that Prefect takes."""
    return f"{kind}-{re.sub(r'[^a-z0-9]+', '-', stem.lower()).strip('-')}".rstrip("-")


def markdown(
    run: Run,
    report: DriftReport,
    candidate: StagedTimeline,
    decision: Decision,
    picture: bytes,
    page: str | None = None,
) -> str:
    """Write what the UI shows: verdict first, then what to do, the picture, the criteria, and where things lie."""
    summary, plan = candidate.summary, run.plan
    where = run.refused if decision is Decision.REFUSE else run.output
    speech = f"Speech on {summary.speech_frames} of {summary.frames} frames ({summary.percent:.1f} %)"
    device = f"{plan.device} ({plain(plan.device_name)}), {plan.precision}, batch {plan.batch_size}"
    speakers = run.speaker_bounds.sentence(len(summary.speakers))
    parts = [
        f"# {report.verdict}: {plain(run.media.path.name)}",
        f"{ENDINGS[decision]} {plain(report.sentence)}",
        f"**{NEEDED_NOW}**" if decision is Decision.REFUSE else "",
        f"**{plain(report.localization.sentence)}**" if report.localization else "",
        f"[Look and listen: who speaks when, and what differs]({page})" if page else "",
        image(picture),
        table(report.criteria) if report.criteria else "",
        details(report.criteria),
        f"{speech}, speakers: {speakers}. Planned on {device}: {plain(plan.reason)}.",
        *(f"Note: {plain(note)}" for note in (*candidate.metadata["source"]["notes"], *report.notes)),
        drawn(report.spot_check) if report.spot_check else "",
        f"Files: `{where}`",
    ]
    return "\n\n".join(part for part in parts if part)


def drawn(check: SpotCheck) -> str:
    """Write what a reference by sample found, a line for each figure, as the page has them."""
    figures = sample.rows(load_messages("en"), check.to_dict())
    return "\n".join([f"Reference {check.sentence}.", "", *(f"- {title}: {plain(value)}" for title, value in figures)])


def image(picture: bytes) -> str:
    """Embed a PNG in Markdown; the page does without one that is too large."""
    if len(picture) > LARGEST_PICTURE:
        return f"(The picture has {len(picture)} bytes: too large to show here.)"
    return f"![who speaks when](data:image/png;base64,{base64.b64encode(picture).decode()})"


def table(criteria: tuple[Criterion, ...]) -> str:
    """Spell the criteria as a Markdown table, without their details: the UI cuts off what is wider than the page."""
    columns = [name for name in rows(criteria)[0] if name != "detail"]
    lines = [" | ".join(str(row[name]) for name in columns) for row in rows(criteria)]
    return "\n".join(f"| {line} |" for line in (" | ".join(columns), " | ".join(["---"] * len(columns)), *lines))


def details(criteria: tuple[Criterion, ...]) -> str:
    """Spell what was found where, a line for each criterion: long lines are wrapped."""
    return "\n".join(f"- {criterion.title}: {plain(criterion.detail)}" for criterion in criteria if criterion.detail)


def rows(criteria: tuple[Criterion, ...]) -> list[dict[str, Any]]:
    """Return one object per criterion, in the order that its columns are shown in."""
    return [
        {
            "criterion": criterion.title,
            "value": criterion.value_in_words,
            "limit": criterion.limit_in_words,
            "result": PASSED[criterion.passed],
            "detail": criterion.detail,
        }
        for criterion in criteria
    ]


def plain(text: str) -> str:
    """Text that is not read as Markdown or HTML: names of files come from anywhere."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", text)


def show_table(key: str, rows: list[dict[str, Any]], description: str) -> None:
    """Leave a table on the server, where a flow run has one: the failures of a batch, the findings of an audit."""
    if not connected():
        return
    from prefect.artifacts import create_table_artifact  # noqa: PLC0415

    with best_effort(f"The table {key}"):
        create_table_artifact(table=rows, key=key, description=description)


show_task = stage("show")(show)

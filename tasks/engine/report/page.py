"""Render the page: messages, tables, charts, sound, and the script and style that draw them, in one HTML file."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from numpy.typing import NDArray

from tasks.engine.core.frames import FrameGrid
from tasks.engine.core.timeline import Timeline, turns_of
from tasks.engine.formats import rttm, webvtt
from tasks.engine.gate.drift_report import DriftReport
from tasks.engine.report import chart_data, content, sample
from tasks.engine.report.audio_clip import AudioClip
from tasks.engine.report.messages import LANGUAGES, load_messages
from tasks.engine.system.atomic import atomic_write_text

MAX_NAME_LENGTH = 14
"""Most characters of a speaker's name beside its lane."""

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; media-src data:"
)
"""Content security policy: whatever is in the page, the browser loads nothing."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side of the page.

    Attributes:
        timeline: what is drawn.
        name: of its file.
    """

    timeline: Timeline
    name: str


@dataclass(frozen=True, slots=True)
class Sound:
    """The recording.

    Attributes:
        samples: (samples,) mono, for the waveform.
        sample_rate: Hz.
        playable: the part that can be played, if any.
    """

    samples: NDArray[np.float32]
    sample_rate: int
    playable: AudioClip | None = None


def write(
    path: Path,
    candidate: Side,
    reference: Side | None = None,
    report: DriftReport | None = None,
    sound: Sound | None = None,
    language: str | None = None,
    threshold: float = 0.5,
    manifest: Mapping[str, Any] | None = None,
) -> None:
    """Write the page.

    Args:
        path: the HTML file.
        candidate: what is judged, or the only timeline.
        reference: what it was compared with; must have as many frames, or it is described and not drawn.
        report: of comparing them.
        sound: for the waveform, and to play.
        language: `en` or `fr`; the browser's where None.
        threshold: speech score of the decision.
        manifest: of the only timeline, where it is published: what was proved is told.

    Raises:
        StorageError: the file could not be written.
    """
    atomic_write_text(path, render(candidate, reference, report, sound, language, threshold, manifest))


def render(
    candidate: Side,
    reference: Side | None,
    report: DriftReport | None,
    sound: Sound | None,
    language: str | None,
    threshold: float,
    manifest: Mapping[str, Any] | None = None,
) -> str:
    """Render the page as HTML; arguments as for `write`."""
    candidate, reference = _drawable(candidate), reference and _drawable(reference)
    drawn = reference.timeline if reference and reference.timeline.frames == candidate.timeline.frames else None
    mapping = _mapping(report, drawn, candidate.timeline)
    places: list[chart_data.Place] = []
    if drawn is not None:
        flips, others = chart_data.differences(drawn, candidate.timeline, mapping)
        places = chart_data.worst_places(flips | others, drawn)
    data = _data(candidate.timeline, drawn, mapping, sound, threshold)
    data["places"] = [[place.stretch.start_sec, place.stretch.end_sec] for place in places]
    data["messages"] = {name: load_messages(name).texts for name in LANGUAGES}
    data["language"] = language
    data["files"] = turn_files(candidate, reference)
    sides = [("candidate" if reference else "timeline", candidate), *([("reference", reference)] if reference else [])]
    text: str = _template().render(
        places=places,
        bodies=[_body(name, sides, report, places, manifest or {}) for name in LANGUAGES],
        language=language or LANGUAGES[0],
        title=candidate.timeline.video_filename or candidate.name,
        verdict=str(report.verdict) if report else "none",
        policy=POLICY,
        data=data,
        playable=sound.playable if sound else None,
        item=_charts(data, places, threshold),
        **_parts(),
    )
    return text


def turn_files(candidate: Side, reference: Side | None) -> list[tuple[str, str]]:
    """Pack the turns of each side as RTTM and WebVTT, each behind the name of its file, for whoever wants them."""
    named = candidate.timeline.video_filename or candidate.name
    stem = Path(named).stem
    sides = {"_candidate": candidate, "_reference": reference} if reference else {"": candidate}
    files: list[tuple[str, str]] = []
    for which, side in sides.items():
        turns = turns_of(side.timeline) if side else []
        texts = {"rttm": rttm.text(turns, stem), "vtt": webvtt.text(turns)}
        files += [(f"{stem}{which}.{suffix}", chart_data.packed_text(text)) for suffix, text in texts.items()]
    return files


def _drawable(side: Side) -> Side:
    """Give a side a clock that can be drawn: frame numbers make one where the stated one is not finite."""
    timeline = side.timeline
    if np.isfinite(timeline.timecodes).all():
        return side
    return Side(replace(timeline, timecodes=FrameGrid(timeline.frames, timeline.fps).times()), side.name)


def _mapping(report: DriftReport | None, reference: Timeline | None, candidate: Timeline) -> dict[str, str]:
    """Map reference speaker to candidate speaker; by name where nothing was compared."""
    if report and report.agreement:
        return report.agreement.speakers.mapping
    names = candidate.voices()[0]
    return {name: name for name in (reference.voices()[0] if reference else ()) if name in names}


def _data(
    candidate: Timeline, reference: Timeline | None, mapping: dict[str, str], sound: Sound | None, threshold: float
) -> dict[str, Any]:
    """Collect what the script draws from."""
    flips, others = (chart_data.differences(reference, candidate, mapping)) if reference else (np.zeros(0, bool),) * 2
    ends = candidate.frame_ends()
    return {
        "frames": candidate.frames,
        "fps": float(candidate.fps),
        "clock": chart_data.packed_clock(candidate),
        "duration": float(ends[-1]) if candidate.frames and np.isfinite(ends[-1]) else 1.0,
        "threshold": threshold,
        "lanes": chart_data.lanes(reference, candidate, mapping),
        "flips": chart_data.runs(flips),
        "others": chart_data.runs(others),
        "scores": {
            "candidate": chart_data.packed_scores(candidate.scores),
            "reference": chart_data.packed_scores(reference.scores if reference else None),
        },
        "compared": reference is not None,
        "wave": chart_data.envelope(sound.samples, sound.sample_rate) if sound else None,
        "sound": [sound.playable.start, sound.playable.end] if sound and sound.playable else None,
    }


def _charts(data: dict[str, Any], places: list[chart_data.Place], threshold: float) -> Any:  # noqa: ANN401  # Bokeh's JSON
    # Imported where it is needed: it takes longer than the rest of the page.
    from tasks.engine.report.charts import chart_item  # noqa: PLC0415

    duration = data["duration"]
    worst = places[0].stretch if places else None
    view = (worst.start_sec, min(worst.end_sec, duration)) if worst else (0.0, duration)
    names = [_lane_name(lane["candidate"], lane["reference"]) for lane in data["lanes"]]
    return chart_item(duration, view, names, threshold, wave=data["wave"] is not None, compared=data["compared"])


def _lane_name(candidate: str | None, reference: str | None) -> str:
    """Join both names where they differ."""
    names = [name for name in dict.fromkeys((candidate, reference)) if name is not None]
    return "\n".join(name if len(name) <= MAX_NAME_LENGTH else name[: MAX_NAME_LENGTH - 1] + "…" for name in names)


def _body(
    language: str,
    sides: list[tuple[str, Side]],
    report: DriftReport | None,
    places: list[chart_data.Place],
    manifest: Mapping[str, Any],
) -> dict[str, Any]:
    """Collect everything that the template says in one language."""
    messages = load_messages(language)
    check = report.spot_check.to_dict() if report and report.spot_check else manifest.get("spot_check")
    return {
        "language": language,
        "messages": messages,
        "sentence": content.verdict_sentence(messages, report, sides[0][1].timeline),
        "published": manifest.get("verdict_sentence"),
        "reason": report.reason if report else None,
        "criteria": content.criteria(messages, report),
        "located": content.localization(messages, report.localization if report else None),
        "decisions": [str(flips) for flips in report.flips] if report else [],
        "places": content.places(messages, places),
        "sides": [(messages(role), content.side(messages, side.timeline, side.name)) for role, side in sides],
        "sample": sample.rows(messages, check),
        "doubts": check.get("doubts", []) if isinstance(check, Mapping) else [],
        "notes": content.notes(sides[0][1].timeline, report),
        "made_by": messages("made_by", version=version("step4-audio")),
    }


def _template() -> Any:  # noqa: ANN401  # jinja2's
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    # Bokeh refers back to what came before: order matters.
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
    return environment.from_string(_file("page.html"))


def _parts() -> dict[str, str]:
    """Read style, script, and the plotting library as the installed package ships it."""
    from bokeh.resources import Resources  # noqa: PLC0415

    library = "\n".join(Resources(mode="inline", components=["bokeh"], log_level="warn").js_raw)
    return {"style": _file("page.css"), "script": _file("page.js"), "library": library}


def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")

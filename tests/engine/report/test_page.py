"""The page as text: what it says, in both languages, and that nothing in it can act."""

import base64
import json
import re
import string
import zlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pages import RATE, pair, timeline, tone

from tasks.engine.core.choices import Verdict
from tasks.engine.core.frames import FrameGrid
from tasks.engine.core.stages import Stage
from tasks.engine.core.timeline import Timeline
from tasks.engine.core.turns import Turn
from tasks.engine.gate.drift_report import DriftReport
from tasks.engine.gate.findings import Difference, Flips, Localization
from tasks.engine.gate.tolerance import Tolerance
from tasks.engine.gate.verdict import compare
from tasks.engine.report import chart_data, content
from tasks.engine.report.messages import LANGUAGES, load_messages
from tasks.engine.report.page import Side, Sound, render, write


def page(candidate: Timeline, reference: Timeline | None = None, report: DriftReport | None = None) -> str:
    """The page's text, without sound."""
    other = Side(reference, "reference.parquet") if reference else None
    return render(Side(candidate, "candidate.parquet"), other, report, None, None, 0.5)


def plain(text: str, language: str) -> str:
    """What one language's reader sees, without the pictures."""
    parts = re.findall(rf'<div lang="{language}" class="words">(.*?)\n</div>\n(?=<)', text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", " ".join(parts)))


def fields(texts: dict[str, object], path: str = "") -> dict[str, set[str]]:
    """Every key, with the names in braces of its text."""
    found: dict[str, set[str]] = {}
    for key, value in texts.items():
        if isinstance(value, dict):
            found |= fields(value, f"{path}{key}.")
        else:
            found[path + key] = {name for _, name, _, _ in string.Formatter().parse(str(value)) if name}
    return found


def test_both_languages_say_everything() -> None:
    """The same keys, the same fields in each; every criterion, stage and verdict has words."""
    english, french = (load_messages(language).texts for language in LANGUAGES)
    bound = {"bound", "limit"}
    known = {key: names - bound for key, names in fields(english).items()}

    assert known == {key: names - bound for key, names in fields(french).items()}
    assert set(english["titles"]) == set(english["details"]) == set(Tolerance.__dataclass_fields__)
    assert set(english["stages"]) == {str(stage) for stage in Stage}
    assert {str(verdict) for verdict in Verdict} - {"reference"} <= set(english)


def test_a_drift_opens_with_its_verdict() -> None:
    """The sentence names the worst criterion with value and limit, in both languages; each criterion has a row."""
    reference, candidate = pair()
    report = compare(reference, candidate)
    text = page(candidate, reference, report)
    english, french = (plain(text, language) for language in LANGUAGES)

    assert report.worst is not None
    assert english.strip().startswith("Drift: the candidate must not be used.")
    assert french.strip().startswith("Divergence : le candidat ne doit pas être utilisé.")
    for one in report.criteria:
        assert load_messages("en").texts["titles"][one.name] in english
        assert load_messages("fr").texts["titles"][one.name] in french
    assert text.count('class="fail"') == 2 * len(report.failed)


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_has_a_page(verdict: Verdict) -> None:
    """Also those that were reached without comparing: the reason is given."""
    one = timeline([Turn(1.0, 2.0, "A")], 10)
    report = DriftReport(verdict, Tolerance(), reason="for a reason of its own")
    if verdict is Verdict.COHERENT:
        report = compare(one, one)
    if verdict is Verdict.DRIFT:
        report = compare(one, timeline([], 10))
    text = page(one, one, report)

    assert report.reason is None or report.reason in plain(text, "fr")


def test_one_timeline_alone_is_described() -> None:
    """Nothing is compared, and nothing claims to be."""
    text = page(timeline([Turn(1.0, 2.0, "A")], 10))

    assert "10 % of the frames have speech; the first is at 0:00:01.000; speakers: 1." in plain(text, "en")
    assert "la première à 0:00:01,000" in plain(text, "fr")
    assert 'class="criteria"' not in text


@pytest.mark.parametrize("frames", [0, 1, 250])
def test_timelines_of_any_size_are_drawn(frames: int) -> None:
    """None, one, unlike numbers of frames, and scores that are not finite."""
    grid = FrameGrid(frames, Fraction(25))
    one, other = timeline([Turn(0.0, 0.5, "A")], 10, grid), timeline([], 10)
    broken = replace(one, scores=np.full(frames, np.nan, np.float32), timecodes=np.full(frames, np.nan))

    assert page(one)
    assert page(one, other, compare(other, one))
    assert page(broken, one, compare(one, broken))


def test_names_and_labels_cannot_act() -> None:
    """Markup in file names, labels, metadata and reasons is text, in the tables and in the data of the pictures."""
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>'\"{{7*7}}"
    one = timeline([Turn(1.0, 2.0, evil)], 10)
    one = replace(one, video_filename=evil, metadata={"profile": evil, "device": {"device": evil}})
    report = replace(compare(one, one), reason=evil, notes=(evil,))
    text = render(Side(one, evil), Side(one, evil), report, None, None, 0.5)

    assert "<script>alert" not in text
    assert "<img" not in text
    assert text.count("&lt;/script&gt;") >= 10


def test_the_page_needs_nothing_else() -> None:
    """No address of anything outside, and a policy that forbids to load any."""
    reference, candidate = pair()
    text = page(candidate, reference, compare(reference, candidate))
    own = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)

    assert "default-src 'none'" in text.replace("&#39;", "'")
    assert re.findall(r"""(?:src|href)=["'](?!data:)[^"']*|@import|url\(""", own) == []


def test_where_a_drift_began_is_told() -> None:
    """Stage, place and advice of the localization, the stage in the reader's language."""
    found = Localization(
        Stage.FRONT_END, (Difference(Stage.FRONT_END, 0.25, 0.5, 3, 3.0, drifts=True),), "Check that TF32 is off."
    )
    report = replace(DriftReport(Verdict.DRIFT, Tolerance()), localization=found, reason="x")
    text = page(timeline([], 10), timeline([], 10), report)

    assert "First stage that diverged: front end" in plain(text, "en")
    assert "Première étape divergente : étage d&#39;entrée" in plain(text, "fr")
    assert "à partir de 3 s ; plus grand écart 0,25 ; 50 %" in plain(text, "fr")
    assert text.count("Check that TF32 is off.") == 2


def test_the_hard_decisions_that_differ_are_listed() -> None:
    """Kind by kind, with the ties among them, in either language's part; a report without any shows no list."""
    flipped = Flips(
        "number of speakers",
        total=1779,
        differing=1189,
        ties=119,
        clearest=4.0,
        closest=(0.1, 0.2),
        unit="windows",
        tie=0.1,
    )
    found = Localization(Stage.SCORES, (Difference(Stage.SCORES, 0.5, 0.5, 0, 0.0, drifts=True),), "Look.")
    report = replace(DriftReport(Verdict.DRIFT, Tolerance()), localization=found, flips=(flipped,), reason="x")
    sides = timeline([], 10), timeline([], 10)

    assert page(*sides, report).count(f"<li>{flipped}</li>") == 2
    assert str(flipped) == "number of speakers: 1189 of 1779 differ, 119 of them ties, the clearest by 4 windows"
    assert "windows</li>" not in page(*sides, replace(report, flips=()))


def test_bars_show_the_limit_in_their_middle() -> None:
    """A value at its limit ends at the middle; twice the limit, and infinity, fill the bar."""
    reference, candidate = pair()
    report = compare(reference, candidate)
    at_limit = {one.name: one.value for one in report.criteria}
    moved = replace(report, criteria=tuple(replace(one, limit=at_limit[one.name] or 1.0) for one in report.criteria))
    bars = {row["name"]: row["bar"] for row in content.criteria(load_messages("en"), moved)}

    assert {bars[name] for name, value in at_limit.items() if value} == {50.0}
    endless = replace(report, criteria=(replace(report.criteria[0], value=float("inf")),))
    assert content.criteria(load_messages("fr"), endless)[0]["value"] == "infini s"
    assert content.criteria(load_messages("fr"), endless)[0]["bar"] == 100.0


@settings(deadline=None)
@given(flips=st.lists(st.booleans(), max_size=300), rate=st.integers(1, 3))
def test_places_are_the_worst_first(flips: list[bool], rate: int) -> None:
    """The first is the gate's own worst stretch; none overlaps another; all have differing frames."""
    differing = np.array(flips, bool)
    clock = timeline([], 1, FrameGrid(len(flips), Fraction(rate)))
    places = chart_data.worst_places(differing, clock)
    spans = sorted((one.first, one.last) for one in places)

    assert bool(places) == differing.any()
    assert [one.flipped for one in places] == sorted((one.flipped for one in places), reverse=True)
    assert all(end >= start for start, end in spans)
    for place in places[:1]:
        width = min(30 * rate, len(flips))
        windows = [int(differing[at : at + width].sum()) for at in range(len(flips) - width + 1)]
        assert place.flipped == max(windows)


@settings(deadline=None)
@given(values=st.lists(st.floats(0, 1, width=32), max_size=50))
def test_scores_come_through_to_a_ten_thousandth(values: list[float]) -> None:
    """What the browser unpacks: differences of int16, deflated."""
    packed = chart_data.packed_scores(np.array(values, np.float32))
    assert packed is not None
    steps = np.cumsum(np.frombuffer(zlib.decompress(base64.b64decode(packed)), "<i2"))

    assert np.allclose(steps / chart_data.SCORE_STEPS, np.array(values), atol=6e-5)


def test_lanes_pair_speakers_as_the_comparison_did() -> None:
    """Other names of the same person share a lane; who has no partner has a lane alone."""
    reference = timeline([Turn(0.0, 1.0, "A"), Turn(2.0, 3.0, "B")], 4)
    candidate = timeline([Turn(0.0, 1.0, "X"), Turn(3.0, 4.0, "Y")], 4)
    found = chart_data.lanes(reference, candidate, {"A": "X"})

    assert [(lane["reference"], lane["candidate"]) for lane in found] == [("A", "X"), ("B", None), (None, "Y")]
    assert (found[0]["r"], found[0]["c"], found[1]["r"], found[2]["c"]) == (
        [[0, 25]],
        [[0, 25]],
        [[50, 75]],
        [[75, 100]],
    )


def test_ten_hours_stay_small(tmp_path: Path) -> None:
    """The page of 900,000 frames with scores and sound stays under ten megabytes."""
    reference, candidate = pair(36_000)
    sound = Sound(np.zeros(36_000 * 100, np.float32), 100)
    path = tmp_path / "report.html"
    report = compare(reference, candidate)
    write(path, Side(candidate, "c"), Side(reference, "r"), report, sound, "fr")

    assert path.stat().st_size < 10e6
    assert '<html lang="fr">' in path.read_text(encoding="utf-8")


def test_the_waveform_keeps_every_peak() -> None:
    """The lowest and highest sample of each bucket, so that a click of one sample is seen."""
    samples = tone(10)
    samples[70_000] = 1.0
    found = chart_data.envelope(samples, RATE)
    high = np.frombuffer(zlib.decompress(base64.b64decode(found["high"])), np.int8)

    assert found["peak"] == 1.0
    assert high.argmax() == 70_000 // (RATE // 100)
    assert json.dumps(found)

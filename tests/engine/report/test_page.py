"""The page as text: what it says, in both languages, and that nothing in it can act."""

import base64
import re
import zlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from pages import pair, timeline

from tasks.engine.core.choices import Verdict
from tasks.engine.core.frames import FrameGrid
from tasks.engine.core.stages import Stage
from tasks.engine.core.timeline import Timeline, turns_of
from tasks.engine.core.turns import Turn
from tasks.engine.formats import rttm, webvtt
from tasks.engine.gate.drift_report import DriftReport
from tasks.engine.gate.findings import Difference, Flips, Localization
from tasks.engine.gate.tolerance import Tolerance
from tasks.engine.gate.verdict import compare
from tasks.engine.report.messages import LANGUAGES, load_messages
from tasks.engine.report.page import Side, Sound, render, turn_files, write


def page(candidate: Timeline, reference: Timeline | None = None, report: DriftReport | None = None) -> str:
    """The page's text, without sound."""
    other = Side(reference, "reference.parquet") if reference else None
    return render(Side(candidate, "candidate.parquet"), other, report, None, None, 0.5)


def sided(timeline: Timeline) -> Side:
    """A side of that timeline."""
    return Side(timeline, "clip_timeline.parquet")


def plain(text: str, language: str) -> str:
    """What one language's reader sees, without the charts."""
    parts = re.findall(rf'<div lang="{language}" class="localized">(.*?)\n</div>\n(?=<)', text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", " ".join(parts)))


def test_a_drift_opens_with_its_verdict() -> None:
    """The sentence names the worst criterion with value and limit, in both languages; each criterion has a row."""
    reference, candidate = pair()
    report = compare(reference, candidate)
    text = page(candidate, reference, report)
    english, french = (plain(text, language) for language in LANGUAGES)

    assert report.worst is not None
    assert english.strip().startswith("Drift: the candidate must not be used.")
    assert french.strip().startswith("Divergence : le candidat ne doit pas être utilisé.")
    for criterion in report.criteria:
        assert load_messages("en").texts["titles"][criterion.name] in english
        assert load_messages("fr").texts["titles"][criterion.name] in french
    assert text.count('class="fail"') == 2 * len(report.failed)


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_has_a_page(verdict: Verdict) -> None:
    """Also those that were reached without comparing: the reason is given."""
    same = timeline([Turn(1.0, 2.0, "A")], 10)
    report = DriftReport(verdict, Tolerance(), reason="for a reason of its own")
    if verdict is Verdict.COHERENT:
        report = compare(same, same)
    if verdict is Verdict.DRIFT:
        report = compare(same, timeline([], 10))
    text = page(same, same, report)

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
    drawn, other = timeline([Turn(0.0, 0.5, "A")], 10, grid), timeline([], 10)
    broken = replace(drawn, scores=np.full(frames, np.nan, np.float32), timecodes=np.full(frames, np.nan))

    assert page(drawn)
    assert page(drawn, other, compare(other, drawn))
    assert page(broken, drawn, compare(drawn, broken))


def test_names_and_labels_cannot_act() -> None:
    """Markup in file names, labels, metadata and reasons is text, in the tables and in the data of the pictures."""
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>'\"{{7*7}}"
    named = timeline([Turn(1.0, 2.0, evil)], 10)
    named = replace(named, video_filename=evil, metadata={"profile": evil, "device": {"device": evil}})
    report = replace(compare(named, named), reason=evil, notes=(evil,))
    text = render(Side(named, evil), Side(named, evil), report, None, None, 0.5)

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


def test_the_picture_comes_before_the_criteria() -> None:
    """Verdict, picture, where to look, criteria, turns, and what the two sides are."""
    reference, candidate = pair()
    text = page(candidate, reference, compare(reference, candidate))
    marks = ['class="verdict"', 'id="charts"', 'class="places"', 'class="criteria"', 'id="turns"', 'class="sides"']

    assert sorted(marks, key=text.index) == marks


def test_one_timeline_alone_has_no_dead_buttons() -> None:
    """What moves to a difference is only there where there is one."""
    same = timeline([Turn(1.0, 2.0, "A")], 10)

    for text in (page(same), page(same, same, compare(same, same))):
        assert 'id="worst"' not in text
        assert 'id="next"' not in text
    assert 'id="worst"' in page(timeline([], 10), same, compare(same, timeline([], 10)))


def test_the_turns_of_each_side_can_be_had_as_files(tmp_path: Path) -> None:
    """RTTM and WebVTT that our readers take, named after the video and the side."""
    reference, candidate = (replace(side, video_filename="Film v1.2.mp4") for side in pair())
    names = {
        name: zlib.decompress(base64.b64decode(packed))
        for name, packed in turn_files(*map(sided, (candidate, reference)))
    }
    for name, text in names.items():
        (tmp_path / name).write_bytes(text)

    assert set(names) == {f"Film v1.2_{side}.{kind}" for side in ("candidate", "reference") for kind in ("rttm", "vtt")}
    for side, drawn in (("candidate", candidate), ("reference", reference)):
        wanted = [(round(turn.start, 3), turn.speaker) for turn in turns_of(drawn)]
        for reader, kind in ((rttm, "rttm"), (webvtt, "vtt")):
            turns = reader.read(tmp_path / f"Film v1.2_{side}.{kind}")
            assert [(round(turn.start, 3), turn.speaker) for turn in turns] == wanted
    assert [name for name, _ in turn_files(sided(candidate), None)] == ["Film v1.2.rttm", "Film v1.2.vtt"]


def test_where_a_drift_began_is_told() -> None:
    """Stage, place and advice of the localization, the stage in the reader's language."""
    located = Localization(
        Stage.FRONT_END, (Difference(Stage.FRONT_END, 0.25, 0.5, 3, 3.0, drifts=True),), "Check that TF32 is off."
    )
    report = replace(DriftReport(Verdict.DRIFT, Tolerance()), localization=located, reason="x")
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
    located = Localization(Stage.SCORES, (Difference(Stage.SCORES, 0.5, 0.5, 0, 0.0, drifts=True),), "Look.")
    report = replace(DriftReport(Verdict.DRIFT, Tolerance()), localization=located, flips=(flipped,), reason="x")
    sides = timeline([], 10), timeline([], 10)

    assert page(*sides, report).count(f"<li>{flipped}</li>") == 2
    assert str(flipped) == "number of speakers: 1189 of 1779 differ, 119 of them ties, the clearest by 4 windows"
    assert "windows</li>" not in page(*sides, replace(report, flips=()))


def test_ten_hours_stay_small(tmp_path: Path) -> None:
    """The page of 900,000 frames with scores and sound stays under ten megabytes."""
    reference, candidate = pair(36_000)
    sound = Sound(np.zeros(36_000 * 100, np.float32), 100)
    path = tmp_path / "report.html"
    report = compare(reference, candidate)
    write(path, Side(candidate, "c"), Side(reference, "r"), report, sound, "fr")

    assert path.stat().st_size < 10e6
    assert '<html lang="fr">' in path.read_text(encoding="utf-8")

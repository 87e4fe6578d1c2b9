"""Summaries on the terminal: of a run, of a refusal."""

import io
import json
from pathlib import Path

import pytest
from pages import pair
from rich.console import Console

from flows.cli.summaries import LANE_WIDTH, lanes, show_audit, show_refused, summary_rows
from tasks.engine.core.turns import Turn
from tasks.engine.gate.verdict import compare

MANIFEST = {
    "source": {"name": "clip.mp4", "duration_sec": 30.0, "fps_assumed": False, "audio": {"codec": "aac"}},
    "summary": {
        "frames": 750,
        "speech_frames": 550,
        "percent": 73.3333,
        "first_speech_sec": 7.6,
        "speakers": [{"name": "SPEAKER_00", "percent": 54.7}, {"name": "SPEAKER_01", "percent": 52.7}],
    },
    "device": {"device": "cpu", "device_name": "A CPU", "precision": "fp32", "batch_size": 4, "reason": "no CUDA"},
    "verdict_sentence": "reference: computed on CPU in FP32",
}


def test_lanes_show_who_speaks_when() -> None:
    """One lane per speaker over the whole duration; overlap shows in both."""
    drawn = dict(lanes([Turn(0, 15, "A"), Turn(10, 20, "B")], 30.0))

    assert list(drawn) == ["A", "B"]
    assert drawn["A"] == "█" * 30 + " " * 30
    assert drawn["B"] == " " * 20 + "█" * 20 + " " * 20
    assert all(len(lane) == LANE_WIDTH for lane in drawn.values())


def test_a_very_short_turn_is_still_visible() -> None:
    """Some speech in a cell shows as half a block."""
    assert "▌" in dict(lanes([Turn(10.0, 10.1, "A")], 600.0))["A"]


def test_the_summary_says_what_matters() -> None:
    """Verdict, speech, first speech, speakers, device and why, time."""
    rows = dict(summary_rows(MANIFEST, 12.3, already=False))

    assert rows["verdict"] == "reference: computed on CPU in FP32"
    assert rows["speech"] == "550 of 750 frames, 73.3 %"
    assert rows["first speech"] == "7.60 s"
    assert rows["speakers"] == "SPEAKER_00 55 %, SPEAKER_01 53 %"
    assert rows["device"] == "cpu (A CPU), FP32, batch 4: no CUDA"
    assert rows["time"] == "12.3 s for 30.0 s of video"


def test_where_frames_show_for_different_times_the_time_is_said() -> None:
    """Three frames of four may be a tenth of the time; at a constant rate, and of older manifests, nothing is added."""
    for percent, said in (
        (10.04, "550 of 750 frames, 73.3 %; 10.0 % of the time"),
        (73.334, "550 of 750 frames, 73.3 %"),
    ):
        held = {**MANIFEST, "summary": {**MANIFEST["summary"], "time_percent": percent}}
        assert dict(summary_rows(held, 1.0, already=False))["speech"] == said


def test_the_time_is_split_where_something_was_computed() -> None:
    """What the networks took, and what came before them."""
    rows = dict(summary_rows(MANIFEST, 19.2, already=False, split=" (inference 4.0 s, start 15.0 s)"))

    assert rows["time"].endswith("s of video (inference 4.0 s, start 15.0 s)")


def test_a_run_that_found_its_publication_says_so() -> None:
    """Seconds without inference are not to be taken for the engine's speed."""
    assert dict(summary_rows(MANIFEST, 12.3, already=True))["time"] == "12.3 s: published before, nothing computed"


def test_silence_and_missing_audio_are_said() -> None:
    """No speech has no first second, and no audio stream needed no device."""
    silent = {**MANIFEST, "source": {**MANIFEST["source"], "audio": "no_audio_stream", "fps_assumed": True}}
    silent["summary"] = {**MANIFEST["summary"], "first_speech_sec": None, "speakers": []}
    rows = dict(summary_rows(silent, 1.0, already=False))

    assert rows["first speech"] == "none"
    assert rows["speakers"] == "none"
    assert "no_audio_stream" in rows["device"]
    assert "25" in rows["frames"]


def test_a_refusal_is_read_at_a_glance(tmp_path: Path) -> None:
    """Verdict, worst criterion with value and limit, stage with advice, and the page, one line each."""
    report = compare(*pair()).to_dict() | {"localisation": {"stage": "front end", "advice": "check that TF32 is off."}}
    (tmp_path / "drift.json").write_text(json.dumps(report))
    (tmp_path / "report.html").touch()
    screen = io.StringIO()

    assert show_refused(Path("clip.mp4"), tmp_path, Console(file=screen, width=200))
    rule, verdict, worst, stage, needed, look = (line.rstrip() for line in screen.getvalue().splitlines())
    assert rule.startswith("clip.mp4 ")
    assert verdict.startswith("verdict     drift: ")
    assert "allowed)" in worst
    assert stage.endswith("front end: check that TF32 is off.")
    assert needed.endswith("--on-drift substitute: it publishes the CPU's timeline")
    assert look.endswith(str(tmp_path / "report.html"))


def test_a_refusal_without_its_files_is_left_to_the_error(tmp_path: Path) -> None:
    """Nothing is shown from a folder that is not there or is damaged."""
    screen = io.StringIO()
    assert not show_refused(Path("clip.mp4"), tmp_path / "absent", Console(file=screen))
    (tmp_path / "drift.json").write_text('{"criteria": 3}')
    assert not show_refused(Path("clip.mp4"), tmp_path, Console(file=screen))
    assert screen.getvalue() == ""


def test_how_many_speakers_were_asked_for_is_said_beside_those_found() -> None:
    """With the reason where they differ; nothing where nothing was asked."""
    sentence = "4 asked for, 2 found: too little speech of one person at a time to tell more apart"
    asked = {**MANIFEST, "speakers": {"asked": "4", "found": 2, "sentence": sentence}}
    unasked = {**MANIFEST, "speakers": {"asked": None, "found": 2, "sentence": "2 found"}}

    assert dict(summary_rows(asked, 1.0, already=False))["asked for"] == sentence
    assert "asked for" not in dict(summary_rows(unasked, 1.0, already=False))


def test_an_audit_says_which_copies_others_rewrote(capsys: pytest.CaptureFixture[str]) -> None:
    """Beside its findings, since it is none."""
    report = {"sentence": "0 of 1", "failed": 0, "seed": 1, "strata": [], "failures": []}
    show_audit({**report, "changed_by_others": ["/srv/clip_audio.json"]}, 1.0)

    assert "changed by others, its timeline is sound: /srv/clip_audio.json" in capsys.readouterr().out


def test_what_people_should_know_of_the_sound_is_said() -> None:
    """Each note of the manifest is a line of the summary."""
    noted = {**MANIFEST, "source": {**MANIFEST["source"], "notes": ["one", "two"]}}
    assert [value for label, value in summary_rows(noted, 1.0, already=False) if label == "note"] == ["one", "two"]

"""Verdicts: what may not be compared, what is drift, what is coherent."""

import json
import math
import re
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.engine.core.choices import Verdict
from tasks.engine.core.timeline import Timeline
from tasks.engine.formats import timeline_parquet
from tasks.engine.gate.verdict import compare

Make = Callable[..., Timeline]


def test_a_timeline_agrees_with_itself(timeline: Make) -> None:
    """Nothing differs: coherent, and the sentence says so."""
    same = timeline({"A": [(0, 50)], "B": [(40, 90)]}, 100, scores=np.linspace(0, 1, 100, dtype=np.float32))
    report = compare(same, same)

    assert report.verdict == Verdict.COHERENT
    assert report.sentence == "coherent: 9 of 9 criteria measured and passed, no difference."


def test_the_incident_is_drift(timeline: Make) -> None:
    """262 of 4374 frames from 162.4 s instead of 3762 from 0.44 s: every acceptance rule fails, with its figures."""
    cpu = timeline({"A": [(11, 3773)]}, 4374)
    gpu = timeline({"A": [(4060, 4322)]}, 4374)
    report = compare(cpu, gpu)

    assert report.verdict == Verdict.DRIFT
    assert report.criterion("first_detection_offset_sec").value == pytest.approx(162.4 - 0.44)
    assert report.criterion("speech_percent_difference").value == pytest.approx(100 * 3500 / 4374)
    assert report.worst is report.criterion("der_percent")
    assert "DER" in report.sentence
    assert "at most 1 % allowed" in report.sentence


def test_a_stretch_hidden_in_a_long_file_is_caught(timeline: Make) -> None:
    """Four seconds lost in ten hours: 0.01 % of the frames, 13 % of their half minute, found at its place."""
    reference = timeline({"A": [(0, 800_000)]}, 900_000)
    candidate = timeline({"A": [(0, 600_000), (600_100, 800_000)]}, 900_000)
    report = compare(reference, candidate)
    stretch = report.to_dict()["worst_stretch"]

    assert [criterion.name for criterion in report.failed] == ["worst_stretch_percent"]
    assert stretch["start_sec"] <= 600_000 / 25 < 600_100 / 25 <= stretch["end_sec"]
    assert stretch["end_sec"] - stretch["start_sec"] == pytest.approx(30)


def test_equal_percentages_at_wrong_places_are_caught(timeline: Make) -> None:
    """As much speech, elsewhere: the percentage agrees and the frames do not."""
    report = compare(timeline({"A": [(0, 500), (600, 700)]}, 1000), timeline({"A": [(0, 500), (800, 900)]}, 1000))

    assert report.criterion("speech_percent_difference").value == 0
    assert report.criterion("flipped_frames_percent").value == 20
    assert report.verdict == Verdict.DRIFT


def test_a_lost_minor_speaker_is_caught(timeline: Make) -> None:
    """Ten frames of a second speaker given to the first: DER forgives it, JER and the count do not."""
    reference = timeline({"A": [(0, 9990)], "B": [(9990, 10_000)]}, 10_000)
    candidate = timeline({"A": [(0, 10_000)]}, 10_000)

    for report in (compare(reference, candidate), compare(candidate, reference)):
        assert [criterion.name for criterion in report.failed] == ["jer_percent", "speaker_count_difference"]
        assert report.criterion("jer_percent").value == pytest.approx(50.05)


def test_silence_on_both_sides_is_coherent(timeline: Make) -> None:
    """Nobody speaks, both agree: no criterion divides by the missing speech."""
    report = compare(timeline({}, 100), timeline({}, 100))

    assert report.verdict == Verdict.COHERENT
    assert all(criterion.value in {0, None} for criterion in report.criteria)


@pytest.mark.parametrize("swapped", [False, True])
def test_speech_on_one_side_only_is_drift(timeline: Make, swapped: bool) -> None:
    """The first detections are infinitely far apart and all speech is wrong, however little there is."""
    sides = [timeline({"A": [(99_990, 99_991)]}, 100_000), timeline({}, 100_000)]
    report = compare(*reversed(sides)) if swapped else compare(*sides)

    assert report.verdict == Verdict.DRIFT
    assert report.criterion("first_detection_offset_sec").value == math.inf
    assert report.criterion("der_percent").value == report.criterion("jer_percent").value == 100
    assert report.worst is not None
    assert report.worst.name == "first_detection_offset_sec"


def test_missing_scores_neither_pass_nor_fail(timeline: Make) -> None:
    """A file without scores leaves two criteria unmeasured, and the report says so."""
    scored = timeline({"A": [(0, 9)]}, 10, scores=np.ones(10, np.float32))
    report = compare(scored, timeline({"A": [(0, 9)]}, 10))

    assert report.verdict == Verdict.COHERENT
    assert [criterion.passed for criterion in report.criteria] == [True] * 7 + [None] * 2
    assert report.criterion("max_score_difference").value is None
    assert any("Not measured" in note and "p99_score_difference" in note for note in report.notes)
    assert "7 of 9" in report.sentence


AUDIO = {"source": {"samples_sha256": "aa"}}
OTHER_AUDIO = {"source": {"samples_sha256": "bb"}}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"metadata": OTHER_AUDIO}, "different audio"),
        ({"fps": Fraction(24)}, "frames per second"),
        ({"fps": Fraction(25000, 1001)}, "frames per second"),
        ({"scores": np.array([0.5] * 9 + [np.nan], np.float32)}, "candidate's speech_score.* 1 frames .first frame 10"),
        ({"scores": np.array([np.inf] * 10, np.float32)}, "candidate's speech_score.* 10 frames .first frame 1"),
        ({"timecodes": np.full(10, np.nan)}, "candidate's timecode_sec"),
    ],
)
def test_what_cannot_be_compared_is_not_comparable(timeline: Make, change: dict[str, Any], words: str) -> None:
    """Different audio or rate, or values that are not finite: one sentence why, and no criterion at all."""
    reference = timeline({"A": [(0, 9)]}, 10, metadata=AUDIO)
    report = compare(reference, timeline({"A": [(0, 9)]}, 10, **{"metadata": AUDIO} | change))

    assert report.verdict == Verdict.NOT_COMPARABLE
    assert report.criteria == ()
    assert re.search(words, str(report.reason))
    assert json.loads(report.to_json())["worst"] is None
    with pytest.raises(KeyError):
        report.criterion("der_percent")


def test_infinite_timecodes_on_both_sides_are_named(timeline: Make) -> None:
    """Infinities subtract to NaN without a warning, and the reference is named first."""
    broken = timeline({}, 10, timecodes=np.full(10, np.inf))

    assert "reference's timecode_sec" in str(compare(broken, broken).reason)


def test_frame_counts_must_agree(timeline: Make) -> None:
    """One frame more or less shifts everything after it: no comparison."""
    report = compare(timeline({}, 10), timeline({}, 11))

    assert report.reason == "The reference has 10 frames and the candidate 11."


def test_no_frames_are_not_coherent(timeline: Make) -> None:
    """Nothing was compared, so nothing was shown to agree."""
    assert compare(timeline({}, 0), timeline({}, 0)).verdict == Verdict.NOT_COMPARABLE


def test_audio_is_checked_before_frame_counts(timeline: Make) -> None:
    """Of several obstacles the first in order is the reason."""
    report = compare(timeline({}, 10, metadata=AUDIO), timeline({}, 11, metadata=OTHER_AUDIO))

    assert "different audio" in str(report.reason)


@pytest.mark.parametrize("metadata", [{}, {"source": {}}, {"source": "clip"}, {"source": {"samples_sha256": None}}])
def test_unknown_audio_is_said_and_compared(timeline: Make, metadata: dict[str, Any]) -> None:
    """A file that does not state its samples' sha256 is compared, with a note."""
    report = compare(timeline({}, 10, metadata=AUDIO), timeline({}, 10, metadata=metadata))

    assert report.verdict == Verdict.COHERENT
    assert any("same audio could not be checked: no sha256 of it in the candidate." in note for note in report.notes)


def test_rates_printed_differently_are_the_same(timeline: Make) -> None:
    """A rate that lost digits in a text file is the same rate."""
    exact, printed = Fraction(1234567, 51234), Fraction("24.09663")
    report = compare(timeline({}, 10, fps=exact), timeline({}, 10, fps=printed))

    assert report.verdict == Verdict.COHERENT


def test_files_that_contradict_themselves_are_noted(timeline: Make) -> None:
    """Counts, labels and speech that do not fit together are said, whatever the verdict."""
    odd = timeline({"A": [(0, 9)]}, 10, count=np.full(10, 3, np.uint8))
    report = compare(timeline({"A": [(0, 9)]}, 10), odd)

    assert report.verdict == Verdict.COHERENT
    assert any("candidate contradicts itself in 10 frames" in note for note in report.notes)


def test_shifted_timecodes_are_noted(timeline: Make) -> None:
    """A clock that counts frames from 1 differs by a frame: frames are compared by number, and that is said."""
    reference = timeline({"A": [(3, 9)]}, 10)
    report = compare(reference, timeline({"A": [(3, 9)]}, 10, timecodes=reference.timecodes + 0.04))

    assert report.criterion("first_detection_offset_sec").value == 0
    assert any("Timecodes differ in 10 frames" in note for note in report.notes)


def test_speech_without_a_label_is_one_unnamed_speaker(timeline: Make) -> None:
    """Unlabelled speech matches a named speaker's, and counts as one speaker."""
    unlabelled = timeline({}, 10, speech=np.array([True] * 9 + [False]), count=np.array([1] * 9 + [0], np.uint8))
    report = compare(timeline({"A": [(0, 9)]}, 10), unlabelled)

    assert report.verdict == Verdict.COHERENT
    assert report.to_dict()["speaker_mapping"] == {"A": "UNNAMED"}


def test_comparing_imports_nothing_slow(timeline: Make, tmp_path: Path) -> None:
    """`compare` starts at once: no torch, no flow engine, no pandas, and no scipy unless speakers are ambiguous."""
    path = tmp_path / "clip_timeline.parquet"
    timeline_parquet.write_timeline(path, timeline({"A": [(0, 9)], "B": [(9, 20)]}, 30))
    code = (
        "import sys; from pathlib import Path; from tasks.engine.formats.detect import load_timeline; "
        "from tasks.engine.gate.verdict import compare; "
        "report = compare(*(load_timeline(Path(name)) for name in sys.argv[1:])); report.to_json(); "
        "print([name for name in ('torch', 'prefect', 'pyannote', 'scipy', 'pandas') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(path), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"

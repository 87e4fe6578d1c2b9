"""Turns on frames and back."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.engine.core.frames import FrameGrid
from tasks.engine.core.summary import UNNAMED
from tasks.engine.core.timeline import SCHEMA, Timeline, rows, summarise, turns_of
from tasks.engine.core.turns import SpeechScores, Turn

RATES = [Fraction(25), Fraction(30000, 1001), Fraction(10), Fraction(24000, 1001)]
NO_SCORES = SpeechScores(np.zeros(0, np.float32), 0.0, 1.0)


def table(turns: Sequence[Turn], grid: FrameGrid, scores: SpeechScores = NO_SCORES, batch: int = 7) -> pa.Table:
    """All rows at once."""
    return pa.Table.from_batches(rows(turns, scores, grid, batch), schema=SCHEMA)


def timeline_of(content: pa.Table, fps: Fraction, names: Sequence[str]) -> Timeline:
    """A timeline as the readers would build it."""
    labels = content.column("active_speaker_labels").to_pylist()
    return Timeline(
        video_filename="clip.mp4",
        fps=fps,
        timecodes=content.column("timecode_sec").to_numpy(),
        speech=content.column("is_speech_present").to_numpy(),
        speakers=tuple(names),
        active=np.array([[name in row for name in names] for row in labels], dtype=bool).reshape(-1, len(names)),
        count=content.column("num_distinct_speakers_audio").to_numpy(),
    )


@st.composite
def runs(draw: st.DrawFn) -> dict[str, list[tuple[int, int]]]:
    """Frame runs per speaker that neither touch nor overlap within a speaker."""
    result = {}
    for name in ("A", "B é", "C"):
        edges = sorted(draw(st.sets(st.integers(0, 60), max_size=8)))
        result[name] = list(zip(edges[::2], edges[1::2], strict=False))
    return result


@settings(deadline=None)
@given(runs=runs(), fps=st.sampled_from(RATES), batch=st.integers(1, 70))
def test_turns_on_frame_boundaries_come_back(runs: dict[str, list[tuple[int, int]]], fps: Fraction, batch: int) -> None:
    """Turns → frames → turns is the identity for turns that begin and end with frames, at any rate and batch size."""
    turns = sorted(
        Turn(float(first / fps), float(stop / fps), name) for name, spans in runs.items() for first, stop in spans
    )
    content = table(turns, FrameGrid(60, fps), batch=batch)
    back = turns_of(timeline_of(content, fps, sorted(runs)))

    assert [turn.speaker for turn in back] == [turn.speaker for turn in turns]
    assert [turn.start for turn in back] == pytest.approx([turn.start for turn in turns])
    assert [turn.end for turn in back] == pytest.approx([turn.end for turn in turns])


def test_variable_frame_rate_comes_back() -> None:
    """Turns that begin and end with frames of uneven length survive too."""
    pts = np.array([0.0, 0.04, 0.5, 0.54, 2.0, 2.04])
    grid = FrameGrid(6, Fraction(3), pts)
    turns = [Turn(0.04, 0.54, "A"), Turn(0.5, 2.0, "B")]
    content = table(turns, grid, batch=2)

    assert content.column("timecode_sec").to_pylist() == pts.tolist()
    assert turns_of(timeline_of(content, grid.fps, ["A", "B"])) == turns


@pytest.mark.parametrize(
    ("start", "end", "frames"),
    [
        (0.02, 0.1, [1, 2]),
        (0.0200001, 0.1, [2]),
        (0.02, 0.0600001, [1, 2]),
        (0.02, 0.06, [1]),
        (0.03, 0.05, []),
        (-1.0, 9.0, [1, 2, 3, 4]),
    ],
)
def test_a_frame_is_speech_when_its_centre_lies_in_the_turn(start: float, end: float, frames: list[int]) -> None:
    """Centres at 25 frames per second are 0.02, 0.06, 0.10, 0.14 s; the start belongs to the turn, the end does not."""
    content = table([Turn(start, end, "A")], FrameGrid(4, Fraction(25)))

    assert [row["frame"] for row in content.to_pylist() if row["is_speech_present"]] == frames


def test_every_column_says_the_same() -> None:
    """Labels are sorted, their number is the count, and speech is any label; frames count from 1."""
    turns = [Turn(0.0, 0.12, "Zoë"), Turn(0.04, 0.16, "Anne"), Turn(0.04, 0.08, "Anne")]
    content = table(turns, FrameGrid(5, Fraction(25)), batch=2)

    assert content.schema.equals(SCHEMA)
    assert content.column("frame").to_pylist() == [1, 2, 3, 4, 5]
    assert content.column("active_speaker_labels").to_pylist() == [
        ["Zoë"],
        ["Anne", "Zoë"],
        ["Anne", "Zoë"],
        ["Anne"],
        [],
    ]
    assert content.column("num_distinct_speakers_audio").to_pylist() == [1, 2, 2, 1, 0]
    assert content.column("is_speech_present").to_pylist() == [True, True, True, True, False]
    assert content.column("timecode_sec").to_pylist() == [0.0, 0.04, 0.08, 0.12, 0.16]


def test_scores_are_those_of_the_nearest_model_frame() -> None:
    """Model frames at 0.00, 0.05, 0.10 s; centres at 0.02, 0.06, 0.10, 0.14 s; none beyond the audio."""
    scores = SpeechScores(np.array([0.1, 0.2, 0.3], np.float32), 0.0, 0.05)
    content = table([], FrameGrid(4, Fraction(25)), scores)

    assert content.column("speech_score").to_pylist() == pytest.approx([0.1, 0.2, 0.3, 0.0])


def test_no_frames_give_no_rows() -> None:
    """An empty video is an empty table."""
    assert list(rows([Turn(0.0, 1.0, "A")], NO_SCORES, FrameGrid(0, Fraction(25)))) == []


def test_batches_repeat_what_was_stored() -> None:
    """A timeline gives back its columns, contradictions included; missing scores repeat the decision."""
    timeline = Timeline(
        "clip.mp4",
        Fraction(2),
        np.array([0.0, 0.5, 1.0]),
        np.array([True, True, False]),
        ("A",),
        np.array([[True], [False], [False]]),
        np.array([2, 1, 0], np.uint8),
    )
    content = pa.Table.from_batches(timeline.batches(2))

    assert content.column("num_distinct_speakers_audio").to_pylist() == [2, 1, 0]
    assert content.column("active_speaker_labels").to_pylist() == [["A"], [], []]
    assert content.column("speech_score").to_pylist() == [1.0, 1.0, 0.0]


def test_speech_without_a_label_is_somebodys() -> None:
    """The unnamed speaker appears in turns and summary."""
    timeline = Timeline(
        "",
        Fraction(2),
        np.array([0.0, 0.5, 1.0]),
        np.array([True, True, False]),
        ("A", "never"),
        np.array([[True, False], [False, False], [False, False]]),
        np.array([1, 1, 0], np.uint8),
    )

    assert turns_of(timeline) == [Turn(0.0, 0.5, "A"), Turn(0.5, 1.0, UNNAMED)]
    assert [(share.name, share.seconds, share.percent) for share in timeline.summary.speakers] == [
        ("A", 0.5, 50.0),
        (UNNAMED, 0.5, 50.0),
    ]


def test_summary_counts_speech_and_speakers() -> None:
    """8 of 10 frames, first at 0.2 s; the overlap counts for both speakers."""
    turns = [Turn(0.2, 0.8, "A"), Turn(0.6, 1.0, "B")]
    summary = summarise(rows(turns, NO_SCORES, FrameGrid(10, Fraction(10)), 3), Fraction(10))

    assert summary.to_dict() == {
        "frames": 10,
        "speech_frames": 8,
        "percent": 80.0,
        "first_speech_sec": pytest.approx(0.2),
        "speakers": (
            {"name": "A", "seconds": 0.6, "percent": 75.0},
            {"name": "B", "seconds": 0.4, "percent": 50.0},
        ),
        "speech_sec": 0.8,
        "time_percent": 80.0,
    }


@given(runs=runs(), batch=st.integers(1, 70))
@settings(deadline=None)
def test_summary_is_the_same_from_batches_and_from_memory(runs: dict[str, list[tuple[int, int]]], batch: int) -> None:
    """The summary written before the rows is the one a reader computes."""
    fps = Fraction(25)
    turns = [Turn(first / 25, stop / 25, name) for name, spans in runs.items() for first, stop in spans]
    grid = FrameGrid(60, fps)
    streamed = summarise(rows(turns, NO_SCORES, grid, batch), fps)

    assert streamed == timeline_of(table(turns, grid), fps, sorted(runs)).summary

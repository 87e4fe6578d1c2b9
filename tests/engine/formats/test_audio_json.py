"""`_audio.json`: written exactly as the next step reads it, read in every shape that is around."""

# ruff: noqa: FBT003  # frame(2, True, ["A"]) reads as the row it makes

import gzip
import json
import tracemalloc
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.engine.core.errors import NonFiniteError, StorageError, UsageError
from tasks.engine.core.frames import FrameGrid
from tasks.engine.core.summary import UNNAMED
from tasks.engine.core.timeline import Timeline, rows, turns_of
from tasks.engine.core.turns import SpeechScores, Turn
from tasks.engine.formats import audio_json
from tasks.engine.formats.detect import load_timeline

NO_SCORES = SpeechScores(np.zeros(0, np.float32), 0.0, 1.0)


def written(path: Path, turns: list[Turn], grid: FrameGrid, batch: int = 4) -> Path:
    """The document of these turns."""
    audio_json.write(
        path, rows(turns, NO_SCORES, grid, batch), video_filename="clip.mp4", total_frames=grid.count, fps=grid.fps
    )
    return path


def frame(number: Any, speech: Any = False, labels: Any = (), **info: Any) -> dict[str, Any]:
    """One frame as files without header have it."""
    return {"frame": number, "audio_info": {"is_speech_present": speech, "active_speaker_labels": list(labels), **info}}


def saved(path: Path, content: Any) -> Path:
    """Anything as JSON."""
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_the_shape_is_exactly_what_the_next_step_reads(tmp_path: Path) -> None:
    """Every key, in order; every frame from 1; seconds as Python prints floats."""
    path = written(
        tmp_path / "clip_audio.json", [Turn(0.04, 0.12, 'A"é'), Turn(0.08, 0.12, "B")], FrameGrid(4, Fraction(25))
    )

    def info(speech: bool, labels: list[str], seconds: float) -> dict[str, Any]:
        return {
            "is_speech_present": speech,
            "num_distinct_speakers_audio": len(labels),
            "active_speaker_labels": labels,
            "timecode_sec": seconds,
        }

    expected = {
        "video_filename": "clip.mp4",
        "total_frames": 4,
        "fps": 25.0,
        "frames_analysis": [
            {"frame": 1, "audio_info": info(False, [], 0.0)},
            {"frame": 2, "audio_info": info(True, ['A"é'], 0.04)},
            {"frame": 3, "audio_info": info(True, ['A"é', "B"], 0.08)},
            {"frame": 4, "audio_info": info(False, [], 0.12)},
        ],
    }

    assert json.dumps(json.loads(path.read_text())) == json.dumps(expected)


def test_no_frames_are_a_document_too(tmp_path: Path) -> None:
    """An empty list of frames reads back as no frames."""
    path = written(tmp_path / "clip_audio.json", [], FrameGrid(0, Fraction(25)))

    assert json.loads(path.read_text())["frames_analysis"] == []
    assert load_timeline(path).frames == 0


@pytest.mark.parametrize("name", ["clip_audio.json", "clip_audio.json.gz"])
def test_equal_timelines_give_equal_files(tmp_path: Path, name: str) -> None:
    """Neither the clock nor a temporary name gets into the file, zipped or not; the name decides about zipping."""
    contents = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        contents.append(
            written(tmp_path / folder / name, [Turn(0.0, 1.0, "A")], FrameGrid(50, Fraction(25))).read_bytes()
        )

    assert contents[0] == contents[1]
    assert contents[0].startswith(b"\x1f\x8b") == name.endswith(".gz")


labels = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
frames = st.lists(
    st.tuples(st.booleans(), st.sets(labels, max_size=3), st.integers(0, 255), st.floats(0, 1e6)), max_size=20
)


@settings(deadline=None)
@given(
    content=frames, fps=st.sampled_from([Fraction(25), Fraction(30000, 1001), Fraction(25, 2)]), zipped=st.booleans()
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    content: list[tuple[bool, set[str], int, float]],
    fps: Fraction,
    zipped: bool,
) -> None:
    """Write → read keeps every column bit by bit, contradictory ones too, in any batches."""
    names = sorted({label for _, present, _, _ in content for label in present})
    timeline = Timeline(
        video_filename="clip.mp4",
        fps=fps,
        timecodes=np.array([seconds for *_, seconds in content], np.float64),
        speech=np.array([speech for speech, *_ in content], bool),
        speakers=tuple(names),
        active=np.array([[name in present for name in names] for _, present, _, _ in content], bool).reshape(
            len(content), len(names)
        ),
        count=np.array([count for _, _, count, _ in content], np.uint8),
    )
    path = tmp_path_factory.mktemp("json") / ("clip.json.gz" if zipped else "clip.json")
    audio_json.write(
        path, timeline.batches(3), video_filename="clip.mp4", total_frames=timeline.frames, fps=timeline.fps
    )
    back = load_timeline(path)

    assert (back.video_filename, back.fps, back.speakers, back.scores) == ("clip.mp4", fps, tuple(names), None)
    for column in ("timecodes", "speech", "active", "count"):
        assert np.array_equal(getattr(back, column), getattr(timeline, column)), column


def test_without_a_header_the_rate_is_25_unless_told(tmp_path: Path) -> None:
    """Only frames_analysis with two keys per frame: times follow from the frame number."""
    path = saved(tmp_path / "x", {"frames_analysis": [frame(1), frame(2, True, ["A"]), frame(3, True, ["B", "A"])]})
    timeline, told = load_timeline(path), load_timeline(path, Fraction(10))

    assert (timeline.fps, told.fps) == (25, 10)
    assert timeline.timecodes.tolist() == [0.0, 0.04, 0.08]
    assert told.timecodes.tolist() == [0.0, 0.1, 0.2]
    assert timeline.count.tolist() == [0, 1, 2]
    assert timeline.speech.tolist() == [False, True, True]
    assert timeline.speakers == ("A", "B")
    assert timeline.video_filename == ""


def test_the_headers_rate_wins_over_the_told_one(tmp_path: Path) -> None:
    """What the file states is what it means; a printed NTSC rate is the exact one."""
    path = saved(tmp_path / "x", {"fps": 29.97, "frames_analysis": [frame(1)]})

    assert load_timeline(path, Fraction(50)).fps == Fraction(30000, 1001)


def test_speech_without_labels_is_an_unnamed_speaker(tmp_path: Path) -> None:
    """An empty list or none at all in a speech frame still is speech by somebody."""
    bare = {"frame": 2, "audio_info": {"is_speech_present": True}}
    timeline = load_timeline(saved(tmp_path / "x", {"frames_analysis": [frame(1, True), bare, frame(3)]}))

    assert timeline.speech.tolist() == [True, True, False]
    assert timeline.count.tolist() == [1, 1, 0]
    assert turns_of(timeline) == [Turn(0.0, 0.08, UNNAMED)]


def test_contradicting_counts_are_kept(tmp_path: Path) -> None:
    """The stored number stands beside the labels; neither is corrected."""
    content = {"frames_analysis": [frame(1, True, ["A"], num_distinct_speakers_audio=3)]}
    timeline = load_timeline(saved(tmp_path / "x", content))

    assert (timeline.count.tolist(), timeline.active.tolist()) == ([3], [[True]])


def test_content_decides_and_not_the_name(tmp_path: Path) -> None:
    """Gzip under a plain name, plain under .gz, a byte order mark and indentation are all read."""
    text = json.dumps({"frames_analysis": [frame(1, True, ["é"])]}, indent=2, ensure_ascii=False)
    (tmp_path / "zipped.json").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "plain.json.gz").write_text(text, encoding="utf-8")
    (tmp_path / "marked.parquet").write_bytes(b"\xef\xbb\xbf \n" + text.encode())

    assert [load_timeline(path).speakers for path in tmp_path.iterdir()] == [("é",)] * 3


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"ok": True}, "found ok"),
        ({}, "an empty object"),
        ([], "found a list"),
        ([frame(1)], "found a list"),
        ({"frames_analysis": None}, "found frames_analysis"),
        ({"frames_analysis": 1}, "found frames_analysis"),
        ({"frames_analysis": {"1": frame(1)}}, "found frames_analysis"),
        ({"frames_analysis": [1, 2]}, "entry 1 of frames_analysis has no audio_info"),
        ({"frames_analysis": [frame(1), {"frame": 2}]}, "entry 2 of frames_analysis has no audio_info"),
        ({"frames_analysis": [frame(1), "taken"]}, "entry 2 of frames_analysis has no audio_info"),
        ({"others": [frame(1)]}, "found others"),
        ({"diarization": [{"start": 0, "end": 1, "speaker": "A"}]}, "found diarization"),
        ({"frames_analysis": [frame(1)], "total_frames": 2}, "total_frames says 2 and 1 frames"),
        ({"frames_analysis": [frame(1)], "total_frames": "1"}, "total_frames says .1. and 1 frames"),
        ({"frames_analysis": [frame(1)], "fps": 0}, "not a frame rate"),
        ({"frames_analysis": [frame(1)], "fps": "fast"}, "not a frame rate"),
        ({"frames_analysis": [frame(1), frame(3)]}, "frame 2: it is missing, frame 3"),
        ({"frames_analysis": [frame(0), frame(1)]}, "frame 1: frame 0 stands here.*count from 1"),
        ({"frames_analysis": [frame(1), frame(1)]}, "frame 2: frame 1 stands here, duplicated"),
        ({"frames_analysis": [frame(2), frame(1)]}, "frame 1: it is missing"),
        ({"frames_analysis": [frame(1), frame("2")]}, 'frame 2: its frame number is "2"'),
        ({"frames_analysis": [frame(True)]}, "frame 1: its frame number is true"),
        ({"frames_analysis": [frame(1), frame(None)]}, "frame 2: its frame number is null"),
        ({"frames_analysis": [frame(1), frame(2.5)]}, "frame 2: it is missing, frame 2.5"),
        ({"frames_analysis": [{"frame": 1, "audio_info": None}]}, "frame 1: its audio_info needs is_speech_present"),
        ({"frames_analysis": [frame(1, "yes")]}, "frame 1: its audio_info needs is_speech_present"),
        ({"frames_analysis": [frame(1, 1)]}, "frame 1: its audio_info needs is_speech_present"),
        ({"frames_analysis": [frame(1, True, [3])]}, "frame 1: active_speaker_labels is .3., a list of strings"),
        ({"frames_analysis": [frame(1, True, ["\ud800"])]}, "frame 1: the label .* is not valid Unicode"),
        ({"frames_analysis": [frame(1, num_distinct_speakers_audio=256)]}, "frame 1: num_distinct.* is 256, 0 to 255"),
        ({"frames_analysis": [frame(1, num_distinct_speakers_audio=-1)]}, "frame 1: num_distinct.* is -1"),
        ({"frames_analysis": [frame(1, num_distinct_speakers_audio=1.5)]}, "frame 1: num_distinct.* is 1.5"),
        ({"frames_analysis": [frame(1, timecode_sec="0:01")]}, 'frame 1: timecode_sec is "0:01"'),
        ({"frames_analysis": [frame(1, timecode_sec=float("nan"))]}, "NaN after frame 0"),
    ],
)
def test_other_json_is_refused(tmp_path: Path, content: Any, words: str) -> None:
    """JSON that is no timeline, and frames that are not numbered 1, 2, 3…: what was found, and which frame."""
    with pytest.raises(UsageError, match=words):
        load_timeline(saved(tmp_path / "x.json", content))


@pytest.mark.parametrize(
    "text",
    [
        b"{",
        b"{'frames_analysis': []}",
        b'{"frames_analysis": [] trailing',
        b'{"frames_analysis": [' + b"[" * 100_000,
        b'{"frames_analysis": [], "x": ' + b"9" * 5000 + b"}",
        b'{"frames_analysis": [], "name": "\xff"}',
        b'{"frames_analysis": [{"frame": 1, "audio_info": {"is_speech_present": true, "timecode_sec": 1e999}}]}',
    ],
    ids=range(7),
)
def test_broken_text_is_refused(tmp_path: Path, text: bytes) -> None:
    """What is no JSON, or JSON made to break parsers, is a usage error and nothing else."""
    path = tmp_path / "x.json"
    path.write_bytes(text)

    with pytest.raises(UsageError, match=r"x\.json"):
        load_timeline(path)


def test_too_many_labels_are_refused(tmp_path: Path) -> None:
    """A different label in every frame would need memory without bound."""
    with pytest.raises(UsageError, match="frame 1001: it brings a label beyond the 1000"):
        load_timeline(saved(tmp_path / "x", {"frames_analysis": [frame(n, True, [str(n)]) for n in range(1, 1500)]}))


def test_damaged_gzip_is_a_storage_error(tmp_path: Path) -> None:
    """Truncated, or failing its checksum: the file is damaged, not strange."""
    whole = gzip.compress(json.dumps({"frames_analysis": [frame(n) for n in range(1, 99)]}).encode())
    flipped = bytearray(whole)
    flipped[-6] ^= 1
    path = tmp_path / "x.json.gz"
    for content in (whole[:-9], whole[: len(whole) // 2], bytes(flipped), whole[:2]):
        path.write_bytes(content)

        with pytest.raises(StorageError, match="damaged"):
            load_timeline(path)


def test_announced_and_written_frames_must_agree(tmp_path: Path) -> None:
    """A header that promises other frames than came leaves no file."""
    grid = FrameGrid(10, Fraction(25))
    with pytest.raises(ValueError, match="10 frames came, 11 were announced"):
        audio_json.write(
            tmp_path / "x", rows([], NO_SCORES, grid), video_filename="clip.mp4", total_frames=11, fps=grid.fps
        )

    assert list(tmp_path.iterdir()) == []


def test_times_must_be_finite(tmp_path: Path) -> None:
    """JSON cannot say NaN: the frame is named and no file left."""
    grid = FrameGrid(2, Fraction(25), np.array([0.0, np.nan]))
    with pytest.raises(NonFiniteError, match="frame 2"):
        written(tmp_path / "x", [], grid)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("zipped", [False, True])
def test_long_documents_are_read_as_a_stream(tmp_path: Path, zipped: bool) -> None:
    """100,000 frames are never held as text: memory stays under half of the file's size, zipped or not."""
    grid, turns = FrameGrid(100_000, Fraction(25)), [Turn(k / 2, k / 2 + 0.3, f"S{k % 9}") for k in range(8000)]
    path = tmp_path / "clip_audio.json"
    written(path, turns, grid, 4096)
    size = path.stat().st_size
    if zipped:
        path.write_bytes(gzip.compress(path.read_bytes(), 1))
    tracemalloc.start()
    try:
        assert load_timeline(path).frames == 100_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert size > 12e6
    assert peak < size / 2

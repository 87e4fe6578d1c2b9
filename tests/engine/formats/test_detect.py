"""Any file of turns or frames is recognised by its content, and two of them are laid on one grid."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from turn_lists import TURNS

from tasks.engine.core.errors import UsageError
from tasks.engine.core.frames import FrameGrid
from tasks.engine.core.timeline import Timeline, timeline_of
from tasks.engine.core.turns import Turn
from tasks.engine.formats import audacity, rttm, turns_csv, turns_json, turns_parquet
from tasks.engine.formats.audio_json import write as write_audio_json
from tasks.engine.formats.detect import load, load_pair, load_timeline, read
from tasks.engine.formats.timeline_parquet import write_timeline


def test_turns_in_parquet_are_read_too(tmp_path: Path) -> None:
    """What a run publishes beside its timeline."""
    turns_parquet.write(tmp_path / "clip_turns.parquet", TURNS, {})

    assert read(tmp_path / "clip_turns.parquet") == TURNS


def test_turns_take_the_frames_of_the_other_side(tmp_path: Path) -> None:
    """Either side may hold turns; variable frame rates are kept."""
    clock = np.array([0.0, 0.5, 0.6, 2.0, 2.5])
    nobody = np.zeros((5, 0), bool)
    table = Timeline("", Fraction(2), clock, np.zeros(5, bool), (), nobody, np.zeros(5, np.uint8))
    write_timeline(tmp_path / "t.parquet", table)
    rttm.write(tmp_path / "t.rttm", TURNS, "t")
    for order in (("t.parquet", "t.rttm"), ("t.rttm", "t.parquet")):
        sides = load_pair(*(tmp_path / name for name in order))
        laid = sides[order.index("t.rttm")]
        assert laid.timecodes.tolist() == clock.tolist()
        # Centres: 0.25, 0.55, 1.3, 2.25, 2.75.
        assert laid.active.tolist() == [[False, False], [True, False], [False, True], [False, True], [False, True]]


def test_two_files_of_turns_share_a_grid(tmp_path: Path) -> None:
    """As long as the longer one, at 25 frames a second unless told."""
    turns_csv.write(tmp_path / "a", TURNS)
    turns_json.write(tmp_path / "b", [Turn(0.0, 4.0, "A")])

    assert [side.frames for side in load_pair(tmp_path / "a", tmp_path / "b")] == [100, 100]
    assert [side.frames for side in load_pair(tmp_path / "a", tmp_path / "b", Fraction(10))] == [40, 40]


def test_an_audio_json_and_turns_compare(tmp_path: Path) -> None:
    """The frames' own turns say the same as the frames."""
    table = timeline_of(TURNS, None, FrameGrid(80, Fraction(25)))
    write_audio_json(tmp_path / "a", table.batches(), video_filename="", total_frames=80, fps=Fraction(25))
    audacity.write(tmp_path / "b", TURNS)
    one, other = load_pair(tmp_path / "a", tmp_path / "b")

    assert np.array_equal(one.active, other.active)


def test_files_of_other_tools_are_read(tmp_path: Path) -> None:
    """Cue names, settings, notes, short clocks, classes; further columns; frequencies below a label; Windows lines."""
    (tmp_path / "vtt").write_bytes(
        b"\xef\xbb\xbfWEBVTT - a title\r\nKind: captions\r\n\r\nNOTE by hand\r\n00:01.000 --> 00:02.000\r\n\r\n"
        b"STYLE\r\n::cue {}\r\n\r\nfirst\r\n00:01.000 --> 00:02.500 align:start\r\n"
        b"<v.loud Anne  Marie>Hi</v>\r\n<v B &amp; C>Ho\r\n"
    )
    (tmp_path / "csv").write_bytes(b"\xef\xbb\xbfspeaker,start,end,text\r\nA,0,1.5,hello\r\n\r\n")
    (tmp_path / "txt").write_bytes(b"0.0\t1.5\tA\r\n\\\t100.0\t200.0\r\n2\t2\t\r\n")

    assert read(tmp_path / "vtt") == [Turn(1.0, 2.5, "Anne Marie"), Turn(1.0, 2.5, "B & C")]
    assert read(tmp_path / "csv") == [Turn(0.0, 1.5, "A")]
    assert read(tmp_path / "txt") == [Turn(0.0, 1.5, "A"), Turn(2.0, 2.0, "")]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"start_sec,end_sec,speaker\n1,0.5,A\n", "line 2 .*start_sec,end_sec,speaker"),
        (b"start_sec,end_sec,speaker\n1,2\n", "line 2"),
        (b"start_sec,end_sec,speaker\nnan,2,A\n", "line 2"),
        (b'start_sec,end_sec,speaker\n1,2,"A\n', "is no CSV"),
        (b"WEBVTT\n\n00:01.000 --> 00:02.000\nno voice\n", "line 3 .*<v SPEAKER_00>"),
        (b"WEBVTT\n\n00:02.000 --> 00:01.000\n<v A>x\n", "ends before it starts"),
        (b"WEBVTT\n\n00:61.000 --> 01:01.000\n<v A>x\n", "line 3"),
        (b"WEBVTT\n\njust text\n", "line 3"),
        (b"0.5\t1.0\tA\nB\n", "line 2 .*START<TAB>END"),
        (b"0.5\t0.1\tA\n", "line 1"),
        (b"0,5\t1,0\tA\n", "line 1"),
        (b"0.5\t1.0\t\xff\n", "could not be read"),
        (b"frame,speech\n1,0\n", "turns are RTTM"),
        (b'{"ok": true}', "found ok; .*turns are RTTM"),
        (b"", "is empty; .*turns are RTTM"),
    ],
)
def test_malformed_turns_and_other_files_are_refused(tmp_path: Path, content: bytes, words: str) -> None:
    """One sentence with the line, and what it should look like."""
    (tmp_path / "x").write_bytes(content)

    with pytest.raises(UsageError, match=words):
        read(tmp_path / "x")


def test_times_in_milliseconds_are_refused(tmp_path: Path) -> None:
    """A slip of the unit asks for no table of years."""
    turns_csv.write(tmp_path / "x.csv", [Turn(0.0, 36_000_000.0, "A")])

    with pytest.raises(UsageError, match=r"3\.6e\+07 s; times are seconds"):
        load(tmp_path / "x.csv")


def test_frames_of_a_timeline_are_its_own(tmp_path: Path) -> None:
    """A number of frames is for turns: a table has its own."""
    write_timeline(tmp_path / "t", timeline_of(TURNS, None, FrameGrid(80, Fraction(25))))

    assert load(tmp_path / "t", frames=80).frames == 80
    with pytest.raises(UsageError, match="80 frames, not 81"):
        load(tmp_path / "t", frames=81)


@pytest.mark.parametrize("read", [rttm.read, turns_json.read, turns_parquet.read])
def test_absent_files_are_usage_errors(tmp_path: Path, read: Callable[[Path], list[Turn]]) -> None:
    """The name is in the message."""
    with pytest.raises(UsageError, match="absent"):
        read(tmp_path / "absent")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\x00\x00\x00\x18ftypmp42", "starts with"),
        (b"SPEAKER clip 1 0.0 1.0 <NA> <NA> A <NA> <NA>\n", "starts with b'SPEAKER '"),
        (b"PARE" + bytes(20), "starts with"),
        (b"frame,speech\n1,0\n", "starts with"),
    ],
)
def test_other_formats_are_refused(tmp_path: Path, content: bytes, words: str) -> None:
    """Anything but Parquet and JSON is answered with what a timeline is."""
    path = tmp_path / "clip_timeline.parquet"
    path.write_bytes(content)

    with pytest.raises(UsageError, match=words) as refusal:
        load_timeline(path)

    assert "a timeline is Parquet" in str(refusal.value)


@pytest.mark.parametrize(("make", "words"), [(Path.mkdir, "is not a file"), (lambda _: None, "does not exist")])
def test_what_is_no_file_is_refused(tmp_path: Path, make: Callable[[Path], None], words: str) -> None:
    """A folder or a name without a file is a usage error."""
    path = tmp_path / "clip_timeline.parquet"
    make(path)

    with pytest.raises(UsageError, match=words):
        load_timeline(path)

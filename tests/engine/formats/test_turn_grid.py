"""CSV, WebVTT and Audacity labels; any file of turns recognised by its content and laid on frames."""

import re
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tasks.engine.core.errors import UsageError
from tasks.engine.core.frames import FrameGrid
from tasks.engine.core.timeline import Timeline, timeline_of
from tasks.engine.core.turns import Turn
from tasks.engine.formats import audacity, rttm, turns_csv, turns_json, turns_parquet, webvtt
from tasks.engine.formats.audio_json import write as write_audio_json
from tasks.engine.formats.convert import FORMATS, write
from tasks.engine.formats.detect import load, load_pair, read
from tasks.engine.formats.text import one_line
from tasks.engine.formats.timeline_parquet import write_timeline
from tasks.engine.media.decode import executable

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
seconds = st.integers(0, 10**9).map(lambda microseconds: microseconds / 1e6)
turns = st.lists(
    st.builds(lambda start, length, name: Turn(start, start + length, name), seconds, seconds, names), max_size=10
)
TURNS = [Turn(0.4, 1.2, "SPEAKER_00"), Turn(1.0, 3.0, "SPEAKER_01")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all examples of a property."""
    return tmp_path_factory.mktemp("turns")


def assert_close(back: list[Turn], turns: list[Turn], within: float) -> None:
    """The same turns, times apart by no more than the format rounds."""
    assert sorted(turn.speaker for turn in back) == sorted(one_line(turn.speaker) for turn in turns)
    for bound in ("start", "end"):
        found, wanted = (sorted(getattr(turn, bound) for turn in side) for side in (back, turns))
        assert found == pytest.approx(wanted, abs=within)


@settings(deadline=None)
@given(turns=turns)
@example(turns=[Turn(0.1, 1.0, 'a,"b"\r\nc'), Turn(0.0, 1.0, ""), Turn(0.0, 1.0, "\x00\u2028")])
def test_csv_comes_back(folder: Path, turns: list[Turn]) -> None:
    """Write → read keeps names on one line and times exactly; a turn is a line, whatever the names contain."""
    turns_csv.write(folder / "clip.csv", turns)

    assert_close(turns_csv.read(folder / "clip.csv"), turns, 0)
    assert len((folder / "clip.csv").read_text(encoding="utf-8").split("\n")) == len(turns) + 2


@settings(deadline=None)
@given(turns=turns)
@example(turns=[Turn(0.0, 0.0, "<v A>&amp;-->"), Turn(1.0, 2.0, "NOTE\n\nWEBVTT"), Turn(3600.5, 360000.0, "")])
def test_webvtt_comes_back(folder: Path, turns: list[Turn]) -> None:
    """Write → read keeps names on one line and times to the millisecond, of which every cue lasts one at least."""
    webvtt.write(folder / "clip.vtt", turns)
    back = webvtt.read(folder / "clip.vtt")

    assert_close(back, turns, 0.0016)
    assert all(turn.duration > 0 for turn in back)


@settings(deadline=None)
@given(turns=turns)
@example(turns=[Turn(0.0, 1.0, "\\a\tb\nc"), Turn(0.0, 1.0, "")])
def test_audacity_labels_come_back(folder: Path, turns: list[Turn]) -> None:
    """Write → read keeps names on one line and times to the microsecond."""
    audacity.write(folder / "clip.txt", turns)

    assert_close(audacity.read(folder / "clip.txt"), turns, 1e-6)


def test_each_format_looks_as_its_definition_says(tmp_path: Path) -> None:
    """The texts in full."""
    texts = {
        "csv": "start_sec,end_sec,speaker\n0.4,1.2,SPEAKER_00\n1.0,3.0,SPEAKER_01\n",
        "webvtt": "WEBVTT\n\n00:00:00.400 --> 00:00:01.200\n<v SPEAKER_00>SPEAKER_00\n\n"
        "00:00:01.000 --> 00:00:03.000\n<v SPEAKER_01>SPEAKER_01\n",
        "audacity": "0.400000\t1.200000\tSPEAKER_00\n1.000000\t3.000000\tSPEAKER_01\n",
    }
    table = timeline_of(TURNS, None, FrameGrid(80, Fraction(25)))
    for name, text in texts.items():
        write(table, TURNS, name, tmp_path / name, "clip.mp4")
        assert (tmp_path / name).read_text(encoding="utf-8") == text


@pytest.mark.parametrize("to", FORMATS)
def test_every_exported_format_is_read_by_its_content(tmp_path: Path, to: str) -> None:
    """Whatever the file is called; the frames are those of the turns."""
    table = timeline_of(TURNS, None, FrameGrid(80, Fraction(25)))
    write(table, TURNS, to, tmp_path / "x", "clip.mp4")
    frames = None if to == "audio-json" else 80
    back = load(tmp_path / "x", frames=frames)

    assert back.speakers == table.speakers
    assert np.array_equal(back.active, table.active)


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
def test_malformed_turns_and_strangers_are_refused(tmp_path: Path, content: bytes, words: str) -> None:
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


def test_pyannote_reads_the_rttm(tmp_path: Path) -> None:
    """A reader that is not ours finds the same turns."""
    from pyannote.database.util import load_rttm

    rttm.write(tmp_path / "clip.rttm", TURNS, "my clip")
    annotation = load_rttm(tmp_path / "clip.rttm")["my%20clip"]

    tracks = [(part.start, part.end, label) for part, _, label in annotation.itertracks(yield_label=True)]
    assert tracks == [pytest.approx((turn.start, turn.end, turn.speaker)) for turn in TURNS]


def test_meeteval_reads_the_rttm(tmp_path: Path) -> None:
    """Another one that is not ours."""
    reason = "meeteval is published as source alone and wants a C++ compiler: pip install meeteval to run this"
    listed = pytest.importorskip("meeteval.io", reason=reason)

    rttm.write(tmp_path / "clip.rttm", TURNS, "my clip")
    found = [
        (float(one.begin_time), float(one.begin_time + one.duration), one.speaker_id)
        for one in listed.load(tmp_path / "clip.rttm")
    ]

    assert found == [pytest.approx((turn.start, turn.end, turn.speaker)) for turn in TURNS]


def test_webvtt_py_and_ffmpeg_read_the_webvtt(tmp_path: Path) -> None:
    """A library and a player that are not ours find the same cues and voices."""
    import webvtt as webvtt_py

    path = tmp_path / "clip.vtt"
    webvtt.write(path, [*TURNS, Turn(3600.0, 3601.0, "A & <B>")])
    cues = webvtt_py.read(path)
    command = [executable(), "-v", "error", "-i", path, "-f", "srt", "-"]
    subtitles = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert [(cue.start, cue.end) for cue in cues] == [
        ("00:00:00.400", "00:00:01.200"),
        ("00:00:01.000", "00:00:03.000"),
        ("01:00:00.000", "01:00:01.000"),
    ]
    assert [cue.voice for cue in cues][:2] == ["SPEAKER_00", "SPEAKER_01"]
    assert re.findall(r"\d\d:\S+ --> \S+", subtitles)[0] == "00:00:00,400 --> 00:00:01,200"
    assert "SPEAKER_01" in subtitles


def test_crowsetta_reads_the_audacity_labels(tmp_path: Path) -> None:
    """A reader of annotations that is not ours finds the same labels."""
    from crowsetta.formats.seq import AudSeq

    path = tmp_path / "clip.txt"
    audacity.write(path, TURNS)
    found = AudSeq.from_file(path)

    assert list(zip(found.start_times, found.end_times, found.labels, strict=True)) == [
        (turn.start, turn.end, turn.speaker) for turn in TURNS
    ]

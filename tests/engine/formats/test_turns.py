"""Turns as RTTM, JSON and Parquet."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tasks.engine.core.errors import StorageError, UsageError
from tasks.engine.core.turns import Turn
from tasks.engine.formats import rttm, turns_json, turns_parquet

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
seconds = st.integers(0, 10**9).map(lambda microseconds: microseconds / 1e6)
turns = st.lists(
    st.builds(lambda start, length, name: Turn(start, start + length, name), seconds, seconds, names),
    max_size=10,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all examples of a property."""
    return tmp_path_factory.mktemp("turns")


@settings(deadline=None)
@given(turns=turns, file_id=names)
@example(turns=[Turn(0.0, 1.0, "<NA>"), Turn(0.0, 1.0, ""), Turn(0.0, 1.0, "50%20")], file_id="a b")
@example(turns=[Turn(0.0, 1.0, "a\u2028b\x85c\td\r\ne")], file_id="")
def test_rttm_comes_back(folder: Path, turns: list[Turn], file_id: str) -> None:
    """Write → read keeps every name exactly and every time to the microsecond, whatever the names contain."""
    path = folder / "clip.rttm"
    rttm.write(path, turns, file_id)
    back = rttm.read(path)

    assert sorted(turn.speaker for turn in back) == sorted(turn.speaker for turn in turns)
    assert [turn.start for turn in back] == pytest.approx([turn.start for turn in sorted(turns)], abs=1e-6)
    assert sorted(turn.end for turn in back) == pytest.approx(sorted(turn.end for turn in turns), abs=2e-6)
    assert all(len(line.split()) == 10 for line in path.read_text(encoding="utf-8").splitlines())


def test_rttm_has_ten_fields(tmp_path: Path) -> None:
    """The line of the format's definition; spaces in names are percent-encoded."""
    path = tmp_path / "clip.rttm"
    rttm.write(path, [Turn(2.0, 3.25, "Zoë"), Turn(0.5, 2.0, "Anne Marie")], "my clip")

    assert path.read_text(encoding="utf-8") == (
        "SPEAKER my%20clip 1 0.500000 1.500000 <NA> <NA> Anne%20Marie <NA> <NA>\n"
        "SPEAKER my%20clip 1 2.000000 1.250000 <NA> <NA> Zoë <NA> <NA>\n"
    )


def test_rttm_from_elsewhere_is_read(tmp_path: Path) -> None:
    """Nine fields, tabs, comments, other line types, Windows line ends and a byte order mark are all around."""
    path = tmp_path / "clip.rttm"
    path.write_bytes(
        b"\xef\xbb\xbf;; a comment\r\nSPKR-INFO clip 1 <NA> <NA> <NA> unknown A <NA>\r\n\r\n"
        b"SPEAKER clip 1 1 0.5 <NA> <NA> B <NA>\r\nSPEAKER\tclip\t1\t0\t2\t<NA>\t<NA>\tA\t<NA>\t<NA>"
    )

    assert rttm.read(path) == [Turn(0.0, 2.0, "A"), Turn(1.0, 1.5, "B")]


@pytest.mark.parametrize(
    "line",
    [
        "SPEAKER clip 1 0.5 1.0 <NA> <NA> A",
        "SPEAKER clip 1 0.5 1.0 <NA> <NA> Anne Marie <NA> <NA>",
        "SPEAKER clip 1 half 1.0 <NA> <NA> A <NA> <NA>",
        "SPEAKER clip 1 nan 1.0 <NA> <NA> A <NA> <NA>",
        "SPEAKER clip 1 0.5 inf <NA> <NA> A <NA> <NA>",
        "SPEAKER clip 1 -0.5 1.0 <NA> <NA> A <NA> <NA>",
        "SPEAKER clip 1 0.5 -1.0 <NA> <NA> A <NA> <NA>",
        '{"frames_analysis": []}',
        "0.5\t1.0\tA",
    ],
)
def test_malformed_rttm_names_the_line(tmp_path: Path, line: str) -> None:
    """The second line is wrong: it is named, with what a line looks like."""
    path = tmp_path / "clip.rttm"
    path.write_text(f"SPEAKER clip 1 0 1 <NA> <NA> A <NA> <NA>\n{line}\n")

    with pytest.raises(UsageError, match=r"line 2 .* RTTM has SPEAKER"):
        rttm.read(path)


def test_rttm_of_several_recordings_is_refused(tmp_path: Path) -> None:
    """Turns of two videos on one time axis would be nonsense."""
    path = tmp_path / "all.rttm"
    path.write_text("".join(f"SPEAKER {clip} 1 0 1 <NA> <NA> A <NA> <NA>\n" for clip in "ba"))

    with pytest.raises(UsageError, match=r"2 recordings \(a, b\)"):
        rttm.read(path)


@settings(deadline=None)
@given(turns=turns)
def test_json_turns_come_back(folder: Path, turns: list[Turn]) -> None:
    """Write → read is exact."""
    path = folder / "clip.json"
    turns_json.write(path, turns)

    assert turns_json.read(path) == sorted(turns)


def test_json_turns_have_the_usual_keys(tmp_path: Path) -> None:
    """The keys of pyannote's serialize(); its other keys and a bare list are read over."""
    path = tmp_path / "clip.json"
    turns_json.write(path, [Turn(0.5, 2.0, "A")])
    listed = [{"start": 0.5, "end": 2.0, "speaker": "A"}]

    assert json.loads(path.read_text()) == {"diarization": listed}
    for content in ({"diarization": listed, "exclusive_diarization": []}, listed):
        path.write_text(json.dumps(content))
        assert turns_json.read(path) == [Turn(0.5, 2.0, "A")]


@pytest.mark.parametrize(
    "content",
    [
        '{"ok": true}',
        "3",
        "{",
        '{"diarization": [{"start": 0.5, "end": 2.0}]}',
        '{"diarization": [{"start": 2.0, "end": 0.5, "speaker": "A"}]}',
        '{"diarization": [{"start": NaN, "end": 0.5, "speaker": "A"}]}',
        '{"diarization": [{"start": 0.5, "end": Infinity, "speaker": "A"}]}',
        '{"diarization": [{"start": "0.5", "end": 1, "speaker": "A"}]}',
        '{"diarization": [1]}',
    ],
)
def test_other_json_is_refused(tmp_path: Path, content: str) -> None:
    """What is no list of turns is answered with what one looks like."""
    path = tmp_path / "clip.json"
    path.write_text(content)

    with pytest.raises(UsageError, match='"speaker": "A"'):
        turns_json.read(path)


def test_infinite_turns_are_not_written(tmp_path: Path) -> None:
    """JSON cannot say infinity."""
    with pytest.raises(ValueError, match="JSON"):
        turns_json.write(tmp_path / "clip.json", [Turn(0.0, float("inf"), "A")])


@settings(deadline=None)
@given(turns=turns)
def test_parquet_turns_come_back(folder: Path, turns: list[Turn]) -> None:
    """Write → read is exact, sorted by start."""
    path = folder / "clip_turns.parquet"
    turns_parquet.write(path, turns, {})

    assert turns_parquet.read(path) == sorted(turns)


def test_parquet_turns_have_the_promised_schema(tmp_path: Path) -> None:
    """Names, types, nothing nullable, and the metadata under one key."""
    path = tmp_path / "clip_turns.parquet"
    turns_parquet.write(path, [Turn(0.5, 2.0, "A", 0.75)], {"schema_version": 1})
    schema = pq.read_schema(path)

    assert [(field.name, str(field.type), field.nullable) for field in schema] == [
        ("start_sec", "double", False),
        ("end_sec", "double", False),
        ("speaker", "string", False),
        ("mean_score", "float", False),
    ]
    assert json.loads(schema.metadata[b"step4"]) == {"schema_version": 1}
    assert turns_parquet.read(path)[0].mean_score == 0.75


def test_damaged_parquet_turns_are_detected(tmp_path: Path) -> None:
    """A bit flipped in any column's values is refused."""
    path = tmp_path / "clip_turns.parquet"
    turns_parquet.write(path, [Turn(0.5, 2.0, "A", 0.75), Turn(2.5, 3.0, "B", 0.5)], {})
    content = path.read_bytes()
    group = pq.ParquetFile(path).metadata.row_group(0)
    for column in (group.column(number) for number in range(4)):
        damaged = bytearray(content)
        start = column.dictionary_page_offset or column.data_page_offset
        damaged[start + column.total_compressed_size - 1] ^= 1
        path.write_bytes(damaged)

        with pytest.raises(StorageError, match="damaged"):
            turns_parquet.read(path)


@pytest.mark.parametrize("read", [rttm.read, turns_json.read, turns_parquet.read])
def test_absent_files_are_usage_errors(tmp_path: Path, read: Callable[[Path], list[Turn]]) -> None:
    """The name is in the message."""
    with pytest.raises(UsageError, match="absent"):
        read(tmp_path / "absent")


def test_a_frame_table_is_no_table_of_turns(tmp_path: Path) -> None:
    """Other Parquet is answered with the columns a table of turns has."""
    import pyarrow as pa

    pq.write_table(pa.table({"frame": [1, 2]}), tmp_path / "x.parquet")
    with pytest.raises(UsageError, match="start_sec, end_sec, speaker, mean_score"):
        turns_parquet.read(tmp_path / "x.parquet")

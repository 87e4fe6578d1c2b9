"""Timelines as Parquet: exact schema, nothing lost, damage detected."""

import contextlib
import json
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.engine.core.errors import Step4Error, StorageError, UsageError
from tasks.engine.core.frames import FrameGrid
from tasks.engine.core.timeline import Timeline, rows, summarise
from tasks.engine.core.turns import SpeechScores, Turn
from tasks.engine.formats import timeline_parquet
from tasks.engine.formats.detect import load_timeline

TURNS = [Turn(0.5, 3.0, "Anne Marie"), Turn(2.0, 7.2, "Zoë"), Turn(8.0, 9.0, "Anne Marie")]
GRID = FrameGrid(300, Fraction(30000, 1001))
SCORES = SpeechScores(np.linspace(0, 1, 600, dtype=np.float32), 0.0, 0.0169)
METADATA: dict[str, Any] = {
    "source": {"name": "clip.mp4", "fps": "30000/1001", "samples_sha256": "ab"},
    "device": "cpu",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A written timeline of 300 frames in batches of 64."""
    path = tmp_path / "clip_timeline.parquet"
    timeline_parquet.write(path, rows(TURNS, SCORES, GRID, 64), METADATA)
    return path


def pages(path: Path) -> list[tuple[int, int, int]]:
    """First byte, byte after the last, and first byte of the values page, of every column chunk."""
    file = pq.ParquetFile(path).metadata
    chunks = [
        file.row_group(group).column(column)
        for group in range(file.num_row_groups)
        for column in range(file.num_columns)
    ]
    starts = [chunk.dictionary_page_offset or chunk.data_page_offset for chunk in chunks]
    return [
        (start, start + chunk.total_compressed_size, chunk.data_page_offset)
        for start, chunk in zip(starts, chunks, strict=True)
    ]


def same(one: Timeline, other: Timeline) -> bool:
    """Do both hold the same table?"""
    return (
        one.speakers == other.speakers
        and one.fps == other.fps
        and all(
            np.array_equal(getattr(one, name), getattr(other, name))
            for name in ("timecodes", "speech", "active", "count", "scores")
        )
    )


def test_the_schema_is_the_promised_one(path: Path) -> None:
    """Names, types and order; nothing nullable, list items included; every column described."""
    schema = pq.read_schema(path)

    assert [(field.name, str(field.type), field.nullable) for field in schema] == [
        ("frame", "int32", False),
        ("timecode_sec", "double", False),
        ("is_speech_present", "bool", False),
        ("num_distinct_speakers_audio", "uint8", False),
        ("active_speaker_labels", "list<element: string not null>", False),
        ("speech_score", "float", False),
    ]
    assert all(field.metadata[b"description"] for field in schema)


def test_the_metadata_is_one_json_key(path: Path) -> None:
    """The key step4 holds what the caller gave and the schema's version, for any reader."""
    stored = pq.read_schema(path).metadata

    assert set(stored) == {b"step4"}
    assert json.loads(stored[b"step4"]) == {"schema_version": 1, **METADATA}
    assert json.loads(pl.read_parquet_metadata(path)["step4"])["device"] == "cpu"


def test_every_page_has_a_checksum(path: Path) -> None:
    """A bit flipped in the values of any column, or in its dictionary of values, is refused, naming the file."""
    content = path.read_bytes()
    for start, stop, values in pages(path):
        for place in {stop - 1, values - 1 if values > start else stop - 1}:
            damaged = bytearray(content)
            damaged[place] ^= 1
            path.write_bytes(damaged)

            with pytest.raises(StorageError, match=str(path)):
                timeline_parquet.read(path)


def test_a_table_comes_back_as_written(path: Path) -> None:
    """Written in batches, read in others: the same columns, speakers, rate, name and metadata."""
    timeline = load_timeline(path)
    table = pq.read_table(path)

    assert timeline.frames == 300
    assert (timeline.video_filename, timeline.fps) == ("clip.mp4", Fraction(30000, 1001))
    assert timeline.speakers == ("Anne Marie", "Zoë")
    assert timeline.metadata["source"]["samples_sha256"] == "ab"
    assert pa.Table.from_batches(timeline.batches()).equals(table)


def test_no_frames_are_a_table_too(tmp_path: Path) -> None:
    """Zero rows read back as zero frames."""
    path = tmp_path / "empty.parquet"
    timeline_parquet.write(path, [], METADATA)
    timeline = load_timeline(path)

    assert (timeline.frames, timeline.speakers, timeline.active.shape) == (0, (), (0, 0))


def test_imported_timelines_stay_without_scores(tmp_path: Path, path: Path) -> None:
    """A column that only repeats the decision is not read back as a measurement."""
    known = load_timeline(path)
    unscored = Timeline(
        "other.mp4", known.fps, known.timecodes, known.speech, known.speakers, known.active, known.count
    )
    copy = tmp_path / "copy.parquet"
    timeline_parquet.write_timeline(copy, unscored)
    back = load_timeline(copy)

    assert back.scores is None
    assert (back.video_filename, back.fps, back.summary) == ("other.mp4", known.fps, known.summary)
    assert back.metadata["summary"]["speech_frames"] == known.summary.speech_frames


def test_a_failing_source_leaves_nothing(tmp_path: Path) -> None:
    """When the rows stop coming with an error no file appears."""

    def broken() -> Any:
        yield from rows(TURNS, SCORES, GRID, 64)
        raise RuntimeError("lost")

    with pytest.raises(RuntimeError, match="lost"):
        timeline_parquet.write(tmp_path / "clip.parquet", broken(), METADATA)

    assert list(tmp_path.iterdir()) == []


def test_metadata_must_be_finite(tmp_path: Path) -> None:
    """NaN is not JSON, and other readers would stumble over it."""
    with pytest.raises(ValueError, match="JSON"):
        timeline_parquet.write(tmp_path / "clip.parquet", [], {"duration": float("nan")})


def test_truncation_is_detected(path: Path) -> None:
    """A file cut short anywhere behind its magic is damaged."""
    content = path.read_bytes()
    for length in (4, 12, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])

        with pytest.raises(StorageError, match="is damaged"):
            load_timeline(path)


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    """What a later version writes may mean something else."""
    path = tmp_path / "new.parquet"
    timeline_parquet.write(path, [], {"schema_version": 2})

    with pytest.raises(UsageError, match="schema_version 2; this program reads 1"):
        load_timeline(path)


def test_other_writers_may_widen_types(tmp_path: Path, path: Path) -> None:
    """A timeline that went through polars has nullable, wider columns and no metadata, and is still one."""
    copy = tmp_path / "polars.parquet"
    pl.read_parquet(path).with_columns(pl.col("frame").cast(pl.Int64)).write_parquet(copy)
    back = load_timeline(copy)

    assert same(back, load_timeline(path))
    assert back.metadata == {}


def test_a_told_rate_serves_where_the_file_has_none(tmp_path: Path, path: Path) -> None:
    """The file's own rate wins, then the one told, then the timecodes'."""
    copy = tmp_path / "polars.parquet"
    pl.read_parquet(path).write_parquet(copy)

    assert load_timeline(path, Fraction(50)).fps == Fraction(30000, 1001)
    assert load_timeline(copy, Fraction(50)).fps == Fraction(50)
    assert load_timeline(copy).fps == Fraction(30000, 1001)


Change = Callable[[pl.DataFrame], pl.DataFrame]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda table: table.drop("frame"), "lacks the columns frame"),
        (lambda table: table.rename({"speech_score": "score"}), "lacks the columns speech_score"),
        (lambda table: table.reverse(), "row 1 holds frame 300"),
        (lambda table: table.filter(pl.col("frame") != 7), "row 7 holds frame 8"),
        (lambda table: table.with_columns(frame=pl.lit(1)), "row 2 holds frame 1"),
        (lambda table: table.with_columns(speech_score=pl.lit(None, pl.Float32)), "missing values"),
        (lambda table: table.with_columns(is_speech_present=pl.lit("yes, of course")), "bool is needed"),
        (lambda table: table.with_columns(num_distinct_speakers_audio=pl.lit(-1)), "uint8 is needed"),
        (lambda table: table.with_columns(active_speaker_labels=pl.lit("A")), "is needed"),
        (
            lambda table: table.with_columns(active_speaker_labels=pl.lit([None], pl.List(pl.String))),
            "null",
        ),
        (lambda table: table.head(1), "no frame rate"),
        (lambda table: table.with_columns(timecode_sec=-pl.col("timecode_sec")), "goes back after row 1"),
    ],
)
def test_other_tables_are_refused(tmp_path: Path, path: Path, change: Change, words: str) -> None:
    """Parquet that is no timeline is refused, saying what was found or is needed."""
    other = tmp_path / "other.parquet"
    change(pl.read_parquet(path)).write_parquet(other)

    with pytest.raises(UsageError, match=words):
        load_timeline(other)


def test_no_flipped_bit_of_the_rows_changes_the_table_unseen(tmp_path: Path) -> None:
    """Every byte of the rows in turn: the read is refused, or what was read is what was written."""
    path = tmp_path / "clip.parquet"
    timeline_parquet.write(path, rows(TURNS, SCORES, FrameGrid(90, Fraction(10)), 90), METADATA)
    content, end = path.read_bytes(), max(stop for _, stop, _ in pages(path))
    original = load_timeline(path)
    for place in range(end):
        damaged = bytearray(content)
        damaged[place] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        try:
            back = load_timeline(path)
        except Step4Error:
            continue
        assert same(back, original), place


def test_a_damaged_footer_is_a_storage_or_usage_error(path: Path) -> None:
    """Whatever a wrong byte in the footer makes the reader meet, it ends in one of our errors or in a timeline."""
    content, end = path.read_bytes(), max(stop for _, stop, _ in pages(path))
    for place in range(end, len(content), 3):
        damaged = bytearray(content)
        damaged[place] ^= 1 << (place % 8)
        path.write_bytes(damaged)

        with contextlib.suppress(StorageError, UsageError):
            load_timeline(path)


@pytest.mark.parametrize(
    ("key", "value"), [("speech_frames", 212), ("first_speech_sec", None), ("percent", 50.0), ("speakers", [])]
)
def test_rows_must_add_up_to_the_summary(tmp_path: Path, key: str, value: object) -> None:
    """A summary that the rows contradict means that one of both was damaged."""
    summary = summarise(rows(TURNS, SCORES, GRID), GRID.fps).to_dict()
    good, bad = tmp_path / "good.parquet", tmp_path / "bad.parquet"
    timeline_parquet.write(good, rows(TURNS, SCORES, GRID), {**METADATA, "summary": summary})
    timeline_parquet.write(bad, rows(TURNS, SCORES, GRID), {**METADATA, "summary": {**summary, key: value}})

    assert load_timeline(good).summary.speech_frames == summary["speech_frames"]
    with pytest.raises(StorageError, match=f"its summary says {key}"):
        load_timeline(bad)


def test_seconds_at_a_variable_rate_are_no_matter_of_rows(tmp_path: Path) -> None:
    """They are those of the turns, and were counted in frames by an earlier version: both files are read."""
    path, source = tmp_path / "clip.parquet", {**METADATA["source"], "variable_frame_rate": True}
    summary = summarise(rows(TURNS, SCORES, GRID), GRID.fps).to_dict()
    earlier = {name: value for name, value in summary.items() if name not in ("speech_sec", "time_percent")}
    for stored in ({**summary, "speech_sec": 0.5}, {**earlier, "speakers": []}):
        timeline_parquet.write(path, rows(TURNS, SCORES, GRID), {**METADATA, "source": source, "summary": stored})
        assert load_timeline(path).frames == GRID.count


@pytest.mark.skipif(not os.access("/dev/full", os.W_OK), reason="needs the device that is always full")
def test_a_full_disk_is_a_storage_error() -> None:
    """One sentence, whatever Arrow calls it."""
    with pytest.raises(StorageError, match="could not be written"):
        timeline_parquet.write(Path("/dev/full/clip.parquet"), [], METADATA)

"""Turns as Parquet."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from turn_lists import turn_lists

from tasks.engine.core.errors import StorageError, UsageError
from tasks.engine.core.turns import Turn
from tasks.engine.formats import turns_parquet


@settings(deadline=None)
@given(turns=turn_lists)
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


def test_a_frame_table_is_no_table_of_turns(tmp_path: Path) -> None:
    """Other Parquet is answered with the columns a table of turns has."""
    import pyarrow as pa

    pq.write_table(pa.table({"frame": [1, 2]}), tmp_path / "x.parquet")
    with pytest.raises(UsageError, match="start_sec, end_sec, speaker, mean_score"):
        turns_parquet.read(tmp_path / "x.parquet")

"""Turns as Parquet: one row per turn, sorted by start."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.engine.core.errors import StorageError, UsageError
from tasks.engine.core.turns import Turn
from tasks.engine.system.atomic import atomic_path

SCHEMA = pa.schema(
    [
        pa.field("start_sec", pa.float64(), nullable=False, metadata={"description": "First instant of the turn."}),
        pa.field("end_sec", pa.float64(), nullable=False, metadata={"description": "Instant after its last."}),
        pa.field("speaker", pa.string(), nullable=False, metadata={"description": "Label of the speaker."}),
        pa.field("mean_score", pa.float32(), nullable=False, metadata={"description": "Mean speech score, 0 to 1."}),
    ]
)


def write(path: Path, turns: Iterable[Turn], metadata: Mapping[str, Any]) -> None:
    """Write turns, sorted; ``metadata`` becomes the JSON of the key ``step4``.

    Raises:
        StorageError: the file could not be written.
        ValueError: a NaN or infinity in the metadata.
    """
    ordered = sorted(turns)
    columns = [
        pa.array([turn.start for turn in ordered], pa.float64()),
        pa.array([turn.end for turn in ordered], pa.float64()),
        pa.array([turn.speaker for turn in ordered], pa.string()),
        pa.array([turn.mean_score for turn in ordered], pa.float32()),
    ]
    text = json.dumps(dict(metadata), ensure_ascii=False, allow_nan=False)
    table = pa.Table.from_arrays(columns, schema=SCHEMA.with_metadata({"step4": text}))
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)


def read(path: Path) -> list[Turn]:
    """Read turns, verifying every page.

    Raises:
        UsageError: no such file, or not a table of turns.
        StorageError: damaged.
    """
    if not path.is_file():
        raise UsageError(f"{path} does not exist or is not a file.")
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table, rows = file.read(), file.metadata.num_rows
        names = set(table.column_names)
        columns = [table.column(name).to_pylist() for name in SCHEMA.names if name in names]
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise StorageError(f"{path} is damaged and was not used: {error}") from error
    if table.num_rows != rows:
        raise StorageError(f"{path} is damaged: {table.num_rows} of {rows} turns can be read.")
    if len(columns) != len(SCHEMA.names):
        raise UsageError(f"{path} is not a table of turns: it needs the columns {', '.join(SCHEMA.names)}.")
    return [Turn(*row) for row in zip(*columns, strict=True)]

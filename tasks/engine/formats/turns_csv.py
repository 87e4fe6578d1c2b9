"""Turns as CSV: a header and one line per turn, ``start_sec,end_sec,speaker``; seconds as shortest exact decimals.

A turn is one line for tools that count lines: white space and control characters in labels become single spaces.
"""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from tasks.engine.core.errors import UsageError
from tasks.engine.core.turns import Turn
from tasks.engine.formats.text import one_line, parse_interval, read_text
from tasks.engine.system.atomic import atomic_write_text

HEADER = ("start_sec", "end_sec", "speaker")
HEADERS = (HEADER, ("start_s", "end_s", "speaker"), ("start", "end", "speaker"))
"""Names the three columns have in the files of this and of other tools."""

SHAPE = "a CSV of turns has the header start_sec,end_sec,speaker and lines such as 0.5,1.25,SPEAKER_00"


def write(path: Path, turns: Iterable[Turn]) -> None:
    """Write turns, sorted.

    Raises:
        StorageError: the file could not be written.
    """
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(HEADER)
    table.writerows((repr(turn.start), repr(turn.end), one_line(turn.speaker)) for turn in sorted(turns))
    atomic_write_text(path, text.getvalue())


def read(path: Path) -> list[Turn]:
    """Read turns; further columns are passed over.

    Raises:
        UsageError: unreadable, another header, or a malformed line (it is named).
    """
    table = csv.reader(io.StringIO(read_text(path, "CSV"), newline=""), strict=True)
    try:
        columns = columns_of(next(table, []))
        if columns is None:
            raise UsageError(f"{path} has another header; {SHAPE}.")
        return sorted(_turn(path, table.line_num, row, columns) for row in table if row)
    except csv.Error as error:
        raise UsageError(f"{path}: line {table.line_num} is no CSV ({error}); {SHAPE}.") from error


def columns_of(header: list[str]) -> list[int] | None:
    """Return the indices of start, end and speaker in a header, None where it is another table's."""
    names = [name.strip().lower() for name in header]
    header_used = next((expected for expected in HEADERS if set(expected) <= set(names)), None)
    return [names.index(name) for name in header_used] if header_used else None


def _turn(path: Path, line: int, row: list[str], columns: list[int]) -> Turn:
    if max(columns) < len(row):
        start, end, speaker = (row[column] for column in columns)
        times = parse_interval(start, end)
        if times:
            return Turn(*times, speaker)
    raise UsageError(f"{path}: line {line} is {','.join(row)[:80]!r}; {SHAPE}.")

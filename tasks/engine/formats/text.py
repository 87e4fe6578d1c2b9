"""What the line-based turn formats share: labels on one line, times checked, text read whole."""

import math
import re
from pathlib import Path

from tasks.engine.core.errors import UsageError
from tasks.engine.core.finite import finite_float

MAX_CHARACTERS = 1 << 26
"""Of a list of turns: ten hours of turns every second are 2 million."""

MICRO = 1_000_000
"""Microseconds of a second."""

UNIT_SLACK = 1e-3
"""Of a unit: 0.29 s times 100 is 28.999999999999996, and means 29."""

_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


def one_line(label: str) -> str:
    """Make each run of white space and control characters in a label one space, none at its ends."""
    return _BLANK.sub(" ", label).strip(" ")


def read_text(path: Path, kind: str) -> str:
    """Read the whole text of a small file, line ends as they are.

    Raises:
        UsageError: unreadable, not UTF-8, or far larger than a list of turns.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            text = file.read(MAX_CHARACTERS + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} could not be read as {kind}: {error}") from error
    if len(text) > MAX_CHARACTERS:
        raise UsageError(f"{path} holds more than {MAX_CHARACTERS} characters; no {kind} is as long.")
    return text


def whole_units(seconds: float, per_second: int) -> int:
    """Count the whole units that have passed at a time.

    Rounded down: no turn is written to end after its recording, and turns that meet, or do not, still do so.
    """
    return math.floor(seconds * per_second + UNIT_SLACK)


def parse_interval(start: str | float, end: str | float) -> tuple[float, float] | None:
    """Convert both times to seconds; None unless they are finite and 0 <= start <= end."""
    start_sec, end_sec = parse_seconds(start), parse_seconds(end)
    return None if start_sec is None or end_sec is None or end_sec < start_sec else (start_sec, end_sec)


def parse_seconds(value: str | float) -> float | None:
    """Convert to seconds; None unless the value is a finite number from 0."""
    try:
        seconds = finite_float(value)
    except ValueError:
        return None
    return seconds if seconds >= 0 else None

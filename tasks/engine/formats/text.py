"""What the line-based turn formats share: labels on one line, times checked, text read whole."""

import math
import re
from pathlib import Path

from tasks.engine.core.errors import UsageError

MAX_CHARACTERS = 1 << 26
"""Of a list of turns: ten hours of turns every second are 2 million."""

_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


def one_line(label: str) -> str:
    """A label with each run of white space and control characters made one space, none at its ends."""
    return _BLANK.sub(" ", label).strip(" ")


def text_of(path: Path, kind: str) -> str:
    """The whole text of a small file, line ends as they are.

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


def seconds(start: str, end: str) -> tuple[float, float] | None:
    """Both times, None where they are no numbers with 0 <= start <= end."""
    try:
        first, last = float(start), float(end)
    except ValueError:
        return None
    return (first, last) if 0 <= first <= last < math.inf else None

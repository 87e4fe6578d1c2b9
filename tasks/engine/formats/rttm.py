"""RTTM: one turn per line, ten fields separated by spaces.

``SPEAKER <file> <channel> <onset> <duration> <NA> <NA> <speaker> <NA> <NA>``, seconds. The format is that of NIST's
Rich Transcription evaluation plans (RT-09, appendix A); files with nine fields, from before the last was added, are
read as well. Lines of other types and comments (``;;``) are passed over.

Fields cannot hold spaces, so white space, control characters and ``%`` in names are percent-encoded as in URLs ("Anne
Marie" becomes "Anne%20Marie") and decoded when read; an empty name is ``<NA>``. Other names stay as they are.
"""

import re
import urllib.parse
from collections.abc import Iterable
from pathlib import Path

from tasks.engine.core.errors import UsageError
from tasks.engine.core.turns import Turn
from tasks.engine.formats.text import MICRO, parse_seconds, whole_units
from tasks.engine.system.atomic import atomic_write_text

_UNSAFE = re.compile(r"[\s%\x00-\x1f\x7f]|^<(?=NA>$)")
_NO_NAME = "<NA>"
_FIELDS = (9, 10)
_OTHER_TYPES = re.compile(
    r"SEGMENT|NOSCORE|NO_RT_METADATA|LEXEME|NON-LEX|NON-SPEECH|FILLER|EDIT|SU|IP|CB|A/P|SPKR-INFO|;;.*"
)


def write(path: Path, turns: Iterable[Turn], file_id: str) -> None:
    """Write turns, sorted; times to the microsecond, so that frame centres stay on their side of a boundary.

    Args:
        path: of the file.
        turns: in any order.
        file_id: the second field, usually the video's name without its extension.

    Raises:
        StorageError: the file could not be written.
    """
    atomic_write_text(path, text(turns, file_id))


def text(turns: Iterable[Turn], file_id: str) -> str:
    """Return what `write` puts into a file."""
    return "".join(_line(turn, file_id) for turn in sorted(turns))


def read(path: Path) -> list[Turn]:
    """Read the turns of an RTTM file about one recording.

    Raises:
        UsageError: unreadable, a malformed line (it is named), or several recordings in one file.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} could not be read as RTTM: {error}") from error
    numbered = [(number, line.split()) for number, line in enumerate(lines, start=1)]
    parsed = [_parse(path, number, fields) for number, fields in numbered if _is_turn(fields)]
    recordings = sorted({file_id for file_id, _ in parsed})
    if len(recordings) > 1:
        raise UsageError(
            f"{path} is about {len(recordings)} recordings ({', '.join(recordings[:5])}); one is accepted."
        )
    return sorted(turn for _, turn in parsed)


def escape(name: str) -> str:
    """Write a name as one RTTM field."""
    return _UNSAFE.sub(lambda match: urllib.parse.quote(match[0]), name) or _NO_NAME


def unescape(text: str) -> str:
    """Return the name that `escape` was given."""
    return "" if text == _NO_NAME else urllib.parse.unquote(text)


def _line(turn: Turn, file_id: str) -> str:
    start, end = (whole_units(time, MICRO) for time in (turn.start, turn.end))
    times = f"{start / MICRO:.6f} {(end - start) / MICRO:.6f}"
    return f"SPEAKER {escape(file_id)} 1 {times} <NA> <NA> {escape(turn.speaker)} <NA> <NA>\n"


def _is_turn(fields: list[str]) -> bool:
    return bool(fields) and not _OTHER_TYPES.fullmatch(fields[0])


def _parse(path: Path, number: int, fields: list[str]) -> tuple[str, Turn]:
    times = _times(fields)
    if times is None:
        wanted = "SPEAKER <file> 1 <onset> <duration> <NA> <NA> <speaker> <NA> <NA>, times in seconds from 0"
        raise UsageError(f"{path}: line {number} is {' '.join(fields)[:80]!r}; RTTM has {wanted}.")
    onset, duration = times
    return fields[1], Turn(onset, onset + duration, unescape(fields[7]))


def _times(fields: list[str]) -> tuple[float, float] | None:
    """Return onset and duration in seconds, None where the line has another shape."""
    if fields[0] != "SPEAKER" or len(fields) not in _FIELDS:
        return None
    onset, duration = parse_seconds(fields[3]), parse_seconds(fields[4])
    return None if onset is None or duration is None else (onset, duration)

"""WebVTT, the subtitles of browsers: a cue per turn, the speaker as its voice span and as its text.

``00:00:00.500 --> 00:00:02.000`` and ``<v SPEAKER_00>SPEAKER_00``. Times go to the millisecond, and a cue lasts at
least one. The format joins white space within a voice: white space and control characters become single spaces.
Definition: W3C, WebVTT: The Web Video Text Tracks Format.
"""

import html
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from tasks.engine.core.errors import UsageError
from tasks.engine.core.turns import Turn
from tasks.engine.formats.text import one_line, read_text, whole_units
from tasks.engine.system.atomic import atomic_write_text

SIGNATURE = "WEBVTT"
SHAPE = "a cue is '00:00:00.500 --> 00:00:02.000' and below it '<v SPEAKER_00>text'"

_TIME = r"(?:(\d{2,}):)?([0-5]\d):([0-5]\d)\.(\d{3})"
_TIMING = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?", re.ASCII)
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?(?:\s+([^>]*))?>")
_LINE_END = re.compile(r"\r\n|\r|\n")
_OTHER_BLOCK = re.compile(r"(NOTE|STYLE|REGION)(\s|$)")


def write(path: Path, turns: Iterable[Turn]) -> None:
    """Write turns, sorted.

    Raises:
        StorageError: the file could not be written.
    """
    atomic_write_text(path, text(turns))


def text(turns: Iterable[Turn]) -> str:
    """Return what `write` puts into a file."""
    return "\n".join([SIGNATURE + "\n", *map(_cue, sorted(turns))])


def read(path: Path) -> list[Turn]:
    """Read one turn per voice of every cue; cue names, settings, notes and styles are passed over.

    Raises:
        UsageError: unreadable, or a cue without times or without a voice (it is named).
    """
    lines = _LINE_END.split(read_text(path, "WebVTT"))
    if lines[0].split()[:1] != [SIGNATURE]:
        raise UsageError(f"{path} does not begin with {SIGNATURE}; {SHAPE}.")
    return sorted(turn for number, block in _blocks(lines) for turn in _turns(path, number, block))


def _cue(turn: Turn) -> str:
    start = whole_units(turn.start, 1000)
    end = max(whole_units(turn.end, 1000), start + 1)
    voice = html.escape(one_line(turn.speaker), quote=False)
    return f"{_clock(start)} --> {_clock(end)}\n<v {voice}>{voice}\n"


def _clock(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}"


def _blocks(lines: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield first line number and lines of each block that may be a cue, the header left out."""
    block: list[str] = []
    header = True
    for number, line in enumerate([*lines, ""], start=1):
        if line:
            block.append(line)
            continue
        if block and not header and not _OTHER_BLOCK.match(block[0]):
            yield number - len(block), block
        block, header = [], False


def _turns(path: Path, number: int, block: list[str]) -> list[Turn]:
    timing = next((place for place, line in enumerate(block[:2]) if "-->" in line), None)
    match = None if timing is None else _TIMING.fullmatch(block[timing])
    voices = [] if timing is None else _VOICE.findall("\n".join(block[timing + 1 :]))
    if match is None or not voices:
        raise UsageError(f"{path}: the cue at line {number} is {' '.join(block)[:80]!r}; {SHAPE}.")
    start, end = _seconds(match.groups()[:4]), _seconds(match.groups()[4:])
    if end < start:
        raise UsageError(f"{path}: the cue at line {number} ends before it starts; {SHAPE}.")
    return [Turn(start, end, one_line(html.unescape(voice))) for voice in voices]


def _seconds(parts: Iterable[str | None]) -> float:
    hours, minutes, seconds, thousandths = (int(part or 0) for part in parts)
    return (3600 * hours + 60 * minutes + seconds) + thousandths / 1000

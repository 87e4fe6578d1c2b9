r"""Audacity's label track: ``start<TAB>end<TAB>label``, seconds, no header.

Lines that begin with a backslash give the frequencies of the label before them and are passed over. A label cannot
hold tabs and line ends: white space and control characters become single spaces.
"""

from collections.abc import Iterable
from pathlib import Path

from tasks.engine.core.errors import UsageError
from tasks.engine.core.turns import Turn
from tasks.engine.formats.text import MICRO, one_line, parse_interval, read_text, whole_units
from tasks.engine.system.atomic import atomic_write_text

SHAPE = "a line of Audacity labels is START<TAB>END<TAB>LABEL, times in seconds from 0"


def write(path: Path, turns: Iterable[Turn]) -> None:
    """Write turns, sorted; times to the microsecond, as Audacity does.

    Raises:
        StorageError: the file could not be written.
    """
    lines = (f"{micro(turn.start)}\t{micro(turn.end)}\t{one_line(turn.speaker)}\n" for turn in sorted(turns))
    atomic_write_text(path, "".join(lines))


def read(path: Path) -> list[Turn]:
    """Read turns.

    Raises:
        UsageError: unreadable, or a malformed line (it is named).
    """
    lines = enumerate(read_text(path, "Audacity labels").split("\n"), start=1)
    return sorted(
        parse_line(path, number, line) for number, line in lines if line.strip() and not line.startswith("\\")
    )


def micro(seconds: float) -> str:
    """Spell a time to the microsecond."""
    return f"{whole_units(seconds, MICRO) / MICRO:.6f}"


def parse_line(path: Path, number: int, line: str) -> Turn:
    """Parse one line.

    Raises:
        UsageError: it is malformed.
    """
    start, _, rest = line.rstrip("\r").partition("\t")
    end, _, label = rest.partition("\t")
    times = parse_interval(start, end)
    if times is None:
        raise UsageError(f"{path}: line {number} is {line[:80]!r}; {SHAPE}.")
    return Turn(*times, label)

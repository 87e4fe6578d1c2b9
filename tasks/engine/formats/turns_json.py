"""Turns as JSON with the keys pyannote's ``serialize()`` uses: ``{"diarization": [{"start", "end", "speaker"}]}``."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tasks.engine.core.errors import UsageError
from tasks.engine.core.turns import Turn
from tasks.engine.formats.text import parse_interval
from tasks.engine.system.atomic import atomic_write_text

SHAPE = 'it should look like {"diarization": [{"start": 0.5, "end": 1.5, "speaker": "A"}]}'


def write(path: Path, turns: Iterable[Turn]) -> None:
    """Write turns, sorted; seconds as shortest exact decimals.

    Raises:
        StorageError: the file could not be written.
        ValueError: a time is not finite.
    """
    listed = [{"start": turn.start, "end": turn.end, "speaker": turn.speaker} for turn in sorted(turns)]
    text = json.dumps({"diarization": listed}, allow_nan=False, indent=1)
    atomic_write_text(path, text + "\n")


def read(path: Path) -> list[Turn]:
    """Read turns; a bare list, as some tools write it, is accepted too.

    Raises:
        UsageError: unreadable, or not of that shape.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} could not be read as JSON turns: {error}; {SHAPE}.") from error
    listed = content.get("diarization") if isinstance(content, dict) else content
    if not isinstance(listed, list):
        raise UsageError(f"{path} holds no list of turns; {SHAPE}.")
    return sorted(_turn(path, place, entry) for place, entry in enumerate(listed, start=1))


def _turn(path: Path, place: int, entry: Any) -> Turn:  # noqa: ANN401  # whatever the JSON holds
    match entry:
        case {"start": int() | float() as start, "end": int() | float() as end, "speaker": str() as speaker}:
            if times := parse_interval(start, end):
                return Turn(*times, speaker)
    raise UsageError(f"{path}: turn {place} is {json.dumps(entry)[:80]}; {SHAPE}.")

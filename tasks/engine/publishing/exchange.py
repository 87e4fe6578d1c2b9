"""Exchange copies: what other steps read, and may rewrite in place. They are made from the tables, which are the truth.

A copy that others changed makes no publication stale, and is not overwritten unless that is asked for.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tasks.engine.core.errors import Step4Error
from tasks.engine.core.timeline import Timeline
from tasks.engine.core.turns import Turn
from tasks.engine.formats import audio_json, rttm
from tasks.engine.publishing.names import is_exchange_copy
from tasks.engine.system.atomic import sha256_of


def write(folder: Path, timeline: Timeline, turns: Iterable[Turn], json_suffix: str, stem: str) -> dict[str, Path]:
    """Write the formats that others read, the JSON of STEP5 and RTTM; return the files by the end of their names.

    Args:
        folder: where to.
        timeline: the table of frames.
        turns: the table of turns.
        json_suffix: `_audio.json`, or `_audio.json.gz` for one that is gzipped.
        stem: of the video's name.

    Raises:
        StorageError: a file could not be written.
    """
    table, lines = folder / f"copy{json_suffix}", folder / "copy.rttm"
    name, total, fps = timeline.video_filename, timeline.frames, timeline.fps
    audio_json.write(table, timeline.batches(), video_filename=name, total_frames=total, fps=fps)
    rttm.write(lines, turns, stem)
    return {json_suffix: table, ".rttm": lines}


def changed_by_others(folder: Path, manifest: Mapping[str, Any] | None) -> Iterator[Path]:
    """Find the exchange copies that are there, and are not what was published.

    Args:
        folder: of the published files.
        manifest: what lists them; None where there is none.

    Raises:
        StorageError: one cannot be read.
    """
    for name, entry in (manifest or {}).get("files", {}).items():
        path = folder / name
        if is_exchange_copy(name) and path.is_file() and sha256_of(path) != entry["sha256"]:
            yield path


def is_lacking(folder: Path, manifest: Mapping[str, Any]) -> bool:
    """Tell whether an exchange copy of a publication is gone."""
    return any(is_exchange_copy(name) and not (folder / name).exists() for name in manifest["files"])


def damage(path: Path) -> str | None:
    """Say why a copy that was changed can be read by nobody; None where it can: then others rewrote it."""
    try:
        rttm.read(path) if path.suffix == ".rttm" else audio_json.read(path)
    except Step4Error as error:
        return str(error)
    return None

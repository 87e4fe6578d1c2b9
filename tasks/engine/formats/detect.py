"""Read a timeline or turns of any known format; the content decides which, never the name."""

import re
from fractions import Fraction
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.engine.core.errors import StorageError, UsageError
from tasks.engine.core.timeline import Timeline, timeline_of
from tasks.engine.core.turns import Turn
from tasks.engine.formats import (
    audacity,
    audio_json,
    rttm,
    timeline_parquet,
    turns_csv,
    turns_json,
    turns_parquet,
    webvtt,
)
from tasks.engine.formats.turn_grid import covering_grid, grid_of

PARQUET_MAGIC = b"PAR1"
_UTF8_MARK = b"\xef\xbb\xbf"
_ACCEPTED = "a timeline is Parquet (…_timeline.parquet) or JSON, gzipped or not (…_audio.json)"
_TURNS = "turns are RTTM, JSON, CSV, WebVTT, Audacity labels or Parquet (…_turns.parquet)"


def load_timeline(path: Path, fps: Fraction | None = None) -> Timeline:
    """Read the timeline in ``path``.

    Args:
        path: of the file.
        fps: frame rate to use where the file does not state one.

    Raises:
        UsageError: no such file, or not a timeline.
        StorageError: damaged, or not readable.
    """
    head = _head(path)
    if head.startswith(PARQUET_MAGIC):
        return timeline_parquet.read(path, fps)
    if head.startswith(audio_json.GZIP_MAGIC) or head.removeprefix(_UTF8_MARK).lstrip()[:1] in {b"{", b"["}:
        return audio_json.read(path, fps)
    beginning = f"starts with {head[:8]!r}" if head else "is empty"
    raise UsageError(f"{path} {beginning}; {_ACCEPTED}.")


def load_pair(reference: Path, candidate: Path, fps: Fraction | None = None) -> tuple[Timeline, Timeline]:
    """Read two files to compare, timelines or turns, mixed freely.

    Turns are laid on the other side's frames. Where both are turns, on frames that reach to the last of them.

    Args:
        reference: one file.
        candidate: the other.
        fps: frame rate of what states none; `ASSUMED_FPS` where None.

    Raises:
        UsageError: no such file, neither timeline nor turns.
        StorageError: damaged, or not readable.
    """
    sides = read(reference, fps), read(candidate, fps)
    timelines = [side for side in sides if isinstance(side, Timeline)]
    grid = (
        grid_of(timelines[0]) if timelines else covering_grid((side for side in sides if isinstance(side, list)), fps)
    )
    first, second = (side if isinstance(side, Timeline) else timeline_of(side, None, grid) for side in sides)
    return first, second


def load(path: Path, fps: Fraction | None = None, frames: int | None = None) -> Timeline:
    """Read one file, timeline or turns; turns on ``frames`` frames, or as many as reach to the last of them.

    Raises:
        UsageError: as `load_pair`; or ``frames`` was given for a timeline that has other.
        StorageError: as `load_pair`.
    """
    content = read(path, fps)
    if isinstance(content, Timeline):
        if frames is not None and frames != content.frames:
            raise UsageError(f"{path} lists {content.frames} frames, not {frames}; --frames is for files of turns.")
        return content
    return timeline_of(content, None, covering_grid([content], fps, frames))


def read(path: Path, fps: Fraction | None = None) -> Timeline | list[Turn]:
    """Read one file as what it is.

    Raises:
        UsageError: no such file, neither timeline nor turns.
        StorageError: damaged, or not readable.
    """
    turns = read_turns(path, _head(path))
    if turns is not None:
        return turns
    try:
        return load_timeline(path, fps)
    except UsageError as error:
        raise UsageError(f"{str(error).removesuffix('.')}; {_TURNS}.") from error


def _head(path: Path) -> bytes:
    """Return the first bytes of the file, enough to skip an indentation."""
    if not path.is_file():
        raise UsageError(f"{path} {'is not a file' if path.exists() else 'does not exist'}; {_ACCEPTED}.")
    try:
        with path.open("rb") as file:
            return file.read(1024)
    except OSError as error:
        raise StorageError(f"{path} could not be read: {error.strerror}.") from error


_RTTM = re.compile(r"\s*(;;|SPEAKER\s|SPKR-INFO\s|NOSCORE\s|NO_RT_METADATA\s)")
_WEBVTT = re.compile(r"WEBVTT(\s|$)")
_AUDACITY = re.compile(r"\s*\d+([.,]\d+)?\t\d+([.,]\d+)?\t")
_JSON = re.compile(r'\s*(\[\s*\{\s*"(start|end|speaker)"|\{\s*"(exclusive_)?diarization"\s*:)')


def read_turns(path: Path, head: bytes) -> list[Turn] | None:
    """Read the turns in ``path``, None where it holds none.

    Args:
        path: of the file.
        head: its first bytes.

    Raises:
        UsageError: it looks like one of the formats, and a line or turn of it is malformed.
        StorageError: damaged Parquet.
    """
    text = head.decode("utf-8-sig", "ignore")
    if _RTTM.match(text):
        return rttm.read(path)
    if _WEBVTT.match(text):
        return webvtt.read(path)
    if _AUDACITY.match(text):
        return audacity.read(path)
    if _JSON.match(text):
        return turns_json.read(path)
    if turns_csv.columns_of(text.split("\n", 1)[0].strip().split(",")) is not None:
        return turns_csv.read(path)
    return turns_parquet.read(path) if _is_parquet_of_turns(path, head) else None


def _is_parquet_of_turns(path: Path, head: bytes) -> bool:
    try:
        return head.startswith(PARQUET_MAGIC) and "start_sec" in pq.read_schema(path).names
    except (pa.ArrowException, OSError):
        return False

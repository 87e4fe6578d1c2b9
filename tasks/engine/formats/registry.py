"""Reads a timeline of any known format; the content decides which, never the name."""

from fractions import Fraction
from pathlib import Path

from tasks.engine.errors import StorageError, UsageError
from tasks.engine.formats import audio_json, timeline_parquet
from tasks.engine.timeline import Timeline

PARQUET_MAGIC = b"PAR1"
_UTF8_MARK = b"\xef\xbb\xbf"
_ACCEPTED = "a timeline is Parquet (…_timeline.parquet) or JSON, gzipped or not (…_audio.json)"


def load_timeline(path: Path, fps: Fraction | None = None) -> Timeline:
    """Read the timeline in ``path``.

    fps: frame rate to use where the file does not state one.

    Raises:
        UsageError: no such file, or not a timeline.
        StorageError: damaged, or not readable.
    """
    start = _start(path)
    if start.startswith(PARQUET_MAGIC):
        return timeline_parquet.read(path, fps)
    if start.startswith(audio_json.GZIP_MAGIC) or start.removeprefix(_UTF8_MARK).lstrip()[:1] in {b"{", b"["}:
        return audio_json.read(path, fps)
    found = f"starts with {start[:8]!r}" if start else "is empty"
    raise UsageError(f"{path} {found}; {_ACCEPTED}.")


def _start(path: Path) -> bytes:
    """First bytes of the file, enough to skip an indentation."""
    if not path.is_file():
        raise UsageError(f"{path} {'is not a file' if path.exists() else 'does not exist'}; {_ACCEPTED}.")
    try:
        with path.open("rb") as file:
            return file.read(1024)
    except OSError as error:
        raise StorageError(f"{path} could not be read: {error.strerror}.") from error

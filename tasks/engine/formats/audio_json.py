"""``_audio.json``: the per-frame document that the face-tracking step reads.

``{"video_filename", "total_frames", "fps", "frames_analysis": [{"frame", "audio_info": {"is_speech_present",
"num_distinct_speakers_audio", "active_speaker_labels", "timecode_sec"}}]}``, every frame present, counted from 1.

Files from elsewhere are read too: without a header, with only the first and third key of ``audio_info``, with speech
that has no label, with a count that contradicts the labels (both are kept as they stand), and gzipped.
"""

import contextlib
import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.engine.arrow import to_numpy
from tasks.engine.atomic import atomic_path
from tasks.engine.errors import NonFiniteError, StorageError, UsageError
from tasks.engine.formats.audio_json_frames import FrameReader
from tasks.engine.frames import FrameGrid, rate_of
from tasks.engine.timeline import Timeline, label_activity

GZIP_MAGIC = b"\x1f\x8b"
DEFAULT_FPS = Fraction(25)
"""What a document without header means, unless the user tells another rate."""

MAX_CHARACTERS = 1 << 30
"""Three days of video; a small gzip file can unfold to more than the memory holds."""

_SHAPE = 'a timeline has {"frames_analysis": [{"frame": 1, "audio_info": {"is_speech_present": false, …}}, …]}'


def write(
    path: Path, batches: Iterable[pa.RecordBatch], *, video_filename: str, total_frames: int, fps: Fraction
) -> None:
    """Write the table as its batches come, one frame per line, gzipped when the name ends in ``.gz``.

    Raises:
        StorageError: the file could not be written.
        NonFiniteError: a timecode is NaN or infinite, which JSON cannot say.
        ValueError: the batches do not hold ``total_frames`` frames.
    """
    header = {"video_filename": video_filename, "total_frames": total_frames, "fps": float(fps)}
    written = 0
    with atomic_path(path) as temporary, _sink(temporary, zipped=path.suffix == ".gz") as sink:
        sink.write(json.dumps(header)[:-1] + ', "frames_analysis": [')
        for batch in batches:
            sink.write(",\n" if written else "\n")
            sink.write(",\n".join(_frames(batch)))
            written += batch.num_rows
        sink.write("\n]}\n")
        if written != total_frames:
            raise ValueError(f"{written} frames came, {total_frames} were announced")


def read(path: Path, fps: Fraction | None = None) -> Timeline:
    """Read a document of any of the shapes above; the result has no scores.

    fps: frame rate of a document that does not state one; 25 unless told.

    Raises:
        UsageError: not such a document, or its frames are not numbered 1, 2, 3 … (the frame is named).
        StorageError: a gzip file that is truncated or fails its checksum, a file that cannot be read.
    """
    frames = FrameReader(path)
    document = _parse(path, frames)
    _require_frames(path, document, frames)
    name = document.get("video_filename")
    rate = rate_of(document["fps"]) if document.get("fps") is not None else fps or DEFAULT_FPS
    speakers, active = frames.activity()
    return Timeline(
        video_filename=name if isinstance(name, str) else "",
        fps=rate,
        timecodes=_timecodes(frames.times, rate),
        speech=np.array(frames.speech, dtype=bool),
        speakers=speakers,
        active=active,
        count=np.array(frames.counts, dtype=np.uint8),
    )


@contextlib.contextmanager
def _sink(path: Path, *, zipped: bool) -> Iterator[io.TextIOBase]:
    with contextlib.ExitStack() as stack:
        raw: Any = stack.enter_context(path.open("wb"))
        if zipped:
            # No name and no time inside: equal timelines give equal files.
            raw = stack.enter_context(gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6, mtime=0))
        yield stack.enter_context(io.TextIOWrapper(raw, encoding="ascii", newline="\n"))


def _frames(batch: pa.RecordBatch) -> Iterator[str]:
    """JSON of each frame. Frames in a run share all but number and time, so the rest is built once per run."""
    number, times, speech, count = (to_numpy(batch.column(place)) for place in range(4))
    if not np.isfinite(times).all():
        raise NonFiniteError(f"The timecode of frame {number[~np.isfinite(times)][0]} is not a finite number.")
    names, active = label_activity(batch.column("active_speaker_labels"))
    state = np.column_stack([speech, count, active])
    starts = np.flatnonzero(np.append(True, (state[1:] != state[:-1]).any(axis=1)))
    for first, stop in zip(starts, np.append(starts[1:], len(state)), strict=True):
        info = {
            "is_speech_present": bool(speech[first]),
            "num_distinct_speakers_audio": int(count[first]),
            "active_speaker_labels": sorted(names[column] for column in np.flatnonzero(active[first])),
        }
        middle = json.dumps(info)[:-1]
        for frame, time in zip(number[first:stop].tolist(), times[first:stop].tolist(), strict=True):
            yield f'{{"frame": {frame}, "audio_info": {middle}, "timecode_sec": {time!r}}}}}'


def _parse(path: Path, frames: FrameReader) -> dict[str, Any]:
    try:
        text = _text(path)
        document = json.loads(text, object_hook=frames, parse_constant=frames.refuse_constant)
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text; {_SHAPE}.") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON ({error}); {_SHAPE}.") from error
    if not isinstance(document, dict) or not isinstance(document.get("frames_analysis"), list):
        keys = ", ".join(map(str, document))[:80] if isinstance(document, dict) else type(document).__name__
        raise UsageError(f"{path} is not a timeline: found {keys or 'an empty object'}; {_SHAPE}.")
    return document


def _text(path: Path) -> str:
    """The document's text, unzipped by its first bytes and not by its name."""
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == GZIP_MAGIC
            raw.seek(0)
            plain: Any = gzip.GzipFile(fileobj=raw) if zipped else raw
            text = io.TextIOWrapper(plain, encoding="utf-8-sig").read(MAX_CHARACTERS + 1)
    except (EOFError, zlib.error, OSError) as error:
        raise StorageError(f"{path} is damaged or cannot be read: {error}") from error
    if len(text) > MAX_CHARACTERS:
        raise UsageError(f"{path} holds more than {MAX_CHARACTERS >> 30} GiB of text; no timeline is as long.")
    return text


def _require_frames(path: Path, document: dict[str, Any], frames: FrameReader) -> None:
    """Every entry of the list is a frame, and there are as many as the header says."""
    entries = document["frames_analysis"]
    stranger = next((place for place, entry in enumerate(entries, start=1) if entry is not frames.taken), None)
    if stranger is not None or len(entries) != len(frames.speech):
        where = f"entry {stranger} of frames_analysis has no audio_info" if stranger else "frames stand elsewhere"
        raise UsageError(f"{path}: {where}; {_SHAPE}.")
    total = document.get("total_frames")
    if total is not None and total != len(entries):
        raise UsageError(f"{path}: total_frames says {total!r} and {len(entries)} frames are listed; both must agree.")


def _timecodes(stated: Sequence[float], rate: Fraction) -> NDArray[np.float64]:
    """(n,) seconds: as stated, else from the frame number."""
    times = np.array(stated, dtype=np.float64)
    return np.where(np.isnan(times), FrameGrid(len(times), rate).times(), times)

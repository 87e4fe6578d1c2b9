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

from tasks.engine.core.arrow import to_numpy
from tasks.engine.core.constants import ASSUMED_FPS
from tasks.engine.core.errors import NonFiniteError, StorageError, UsageError
from tasks.engine.core.finite import first_non_finite
from tasks.engine.core.frames import FrameGrid, rate_of
from tasks.engine.core.timeline import Timeline, label_activity
from tasks.engine.formats.audio_json_frames import SHAPE, FrameReader
from tasks.engine.formats.json_stream import STREAMED, JsonStream
from tasks.engine.system.atomic import atomic_path

GZIP_MAGIC = b"\x1f\x8b"


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

    Args:
        path: of the file.
        fps: frame rate of a document that does not state one; `ASSUMED_FPS` where None.

    Raises:
        UsageError: not such a document, or its frames are not numbered 1, 2, 3 … (the frame is named).
        StorageError: a gzip file that is truncated or fails its checksum, a file that cannot be read.
    """
    frames = FrameReader(path)
    document = _parse(path, frames)
    _require_total(path, document, len(frames.speech))
    name = document.get("video_filename")
    rate = rate_of(document["fps"]) if document.get("fps") is not None else fps or ASSUMED_FPS
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
    """Yield each frame as JSON. Frames in a run share all but number and time, so the rest is built once per run."""
    number, times, speech, count = (to_numpy(batch.column(place)) for place in range(4))
    if (place := first_non_finite(times)) is not None:
        raise NonFiniteError(f"The timecode of frame {number[place]} is not a finite number.")
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
    """Return what stands beside the frames, which go to ``frames`` while they are read."""
    try:
        with _text(path) as text:
            stream = JsonStream(text, frames.refuse_constant)
            if stream.peek() == "[":
                raise UsageError(f"{path} is not a timeline: found a list; {SHAPE}.")
            document = dict(stream.members("frames_analysis", frames))
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text; {SHAPE}.") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON ({error}); {SHAPE}.") from error
    except (EOFError, zlib.error, OSError) as error:
        raise StorageError(f"{path} is damaged or cannot be read: {error}") from error
    if document.get("frames_analysis") is not STREAMED:
        keys = ", ".join(document)[:80]
        raise UsageError(f"{path} is not a timeline: found {keys or 'an empty object'}; {SHAPE}.")
    return document


@contextlib.contextmanager
def _text(path: Path) -> Iterator[io.TextIOWrapper]:
    """Open the document's text, unzipped by its first bytes and not by its name."""
    with path.open("rb") as raw:
        zipped = raw.read(2) == GZIP_MAGIC
        raw.seek(0)
        plain: Any = gzip.GzipFile(fileobj=raw) if zipped else raw
        yield io.TextIOWrapper(plain, encoding="utf-8-sig")


def _require_total(path: Path, document: dict[str, Any], listed: int) -> None:
    total = document.get("total_frames")
    if total is not None and total != listed:
        raise UsageError(f"{path}: total_frames says {total!r} and {listed} frames are listed; both must agree.")


def _timecodes(stated: Sequence[float], rate: Fraction) -> NDArray[np.float64]:
    """Return (n,) seconds: as stated, else from the frame number."""
    times = np.array(stated, dtype=np.float64)
    return np.where(np.isnan(times), FrameGrid(len(times), rate).times(), times)

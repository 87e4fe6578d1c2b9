"""The timeline as Parquet: one row per video frame, one metadata key ``step4`` holding JSON.

Page checksums are written and verified: without both, a flipped bit reads back as another value and no error. The
footer has no checksum in this format; a damaged one is met by checking the frame sequence, the clock and the stored
summary against the rows, and surely only by the sha256 that the manifest of a run lists.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tasks.engine.core.arrow import to_numpy
from tasks.engine.core.errors import StorageError, UsageError
from tasks.engine.core.frames import rate_of
from tasks.engine.core.timeline import BATCH, MAX_SPEAKERS, SCHEMA, SCHEMA_VERSION, Timeline, label_activity
from tasks.engine.system.atomic import atomic_path

METADATA_KEY = "step4"


def write(path: Path, batches: Iterable[pa.RecordBatch], metadata: Mapping[str, Any]) -> None:
    """Write the table as its batches come, one row group each.

    Args:
        path: of the file.
        batches: in `SCHEMA`, in order.
        metadata: what the ``step4`` key will hold. ``schema_version`` is added; readers take the frame rate from
            ``source.fps`` (``"30000/1001"``) and the video's name from ``source.name``.

    Raises:
        StorageError: the file could not be written, or does not hold what was written to it.
        ValueError: a NaN or infinity in the metadata.
    """
    text = json.dumps({"schema_version": SCHEMA_VERSION, **metadata}, ensure_ascii=False, allow_nan=False)
    schema = SCHEMA.with_metadata({METADATA_KEY: text})
    rows = 0
    with atomic_path(path) as temporary:
        with pq.ParquetWriter(temporary, schema, compression="zstd", write_page_checksum=True) as writer:
            for batch in batches:
                writer.write_batch(batch)
                rows += batch.num_rows
        if pq.read_metadata(temporary).num_rows != rows:
            raise StorageError(f"{path} does not hold the {rows} frames that were written to it.")


def write_timeline(path: Path, timeline: Timeline) -> None:
    """Write a timeline that was read from elsewhere, with what it knows: its metadata, name, rate and summary.

    Where it has no scores the column repeats the decision and ``has_scores`` is false, so that no comparison takes
    the column for a measurement.

    Raises:
        StorageError: as `write`.
    """
    metadata = dict(timeline.metadata)
    source = {"name": timeline.video_filename, **metadata.get("source", {}), "fps": str(timeline.fps)}
    facts = {"source": source, "summary": timeline.summary.to_dict(), "has_scores": timeline.scores is not None}
    write(path, timeline.batches(), {**metadata, **facts})


def read(path: Path, fps: Fraction | None = None) -> Timeline:
    """Read a timeline, verifying every page.

    Args:
        path: of the file.
        fps: frame rate to use where the file does not say.

    Raises:
        UsageError: readable Parquet that is not a timeline.
        StorageError: damaged: a page whose checksum is wrong, a truncated file, a broken footer.
    """
    with _verified(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        metadata = _metadata(path, file.metadata.metadata or {})
        _require_columns(path, file.schema_arrow)
        parts = [_part(path, batch) for batch in file.iter_batches(BATCH, columns=SCHEMA.names)]
        timeline = _assemble(path, parts, metadata, fps)
        # A damaged page header can make the reader pass over the page without an error.
        if timeline.frames != file.metadata.num_rows:
            raise StorageError(f"{path} is damaged: {timeline.frames} of {file.metadata.num_rows} frames can be read.")
        return timeline


@contextlib.contextmanager
def _verified(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise StorageError(f"{path} is damaged and was not used: {reason}") from error


def _metadata(path: Path, stored: Mapping[bytes, bytes]) -> dict[str, Any]:
    text = stored.get(METADATA_KEY.encode(), b"{}")
    try:
        metadata = json.loads(text)
    except ValueError as error:
        raise StorageError(f"{path} is damaged: its metadata key {METADATA_KEY} is not JSON.") from error
    if not isinstance(metadata, dict) or not isinstance(metadata.get("source", {}), dict):
        raise UsageError(f"{path}: the metadata key {METADATA_KEY} and its 'source' must be JSON objects.")
    version = metadata.get("schema_version", SCHEMA_VERSION)
    if version != SCHEMA_VERSION:
        raise UsageError(f"{path} has schema_version {version!r}; this program reads {SCHEMA_VERSION}.")
    return metadata


def _require_columns(path: Path, schema: pa.Schema) -> None:
    missing = [name for name in SCHEMA.names if name not in schema.names]
    if missing:
        present = ", ".join(schema.names[:10])
        raise UsageError(f"{path} is not a timeline: it lacks the columns {', '.join(missing)} (it has {present}).")


def _part(path: Path, batch: pa.RecordBatch) -> dict[str, Any]:
    """Return one batch as arrays by column name; labels as (names, (n, S) activity)."""
    columns = {name: _typed(path, batch.column(name), SCHEMA.field(name)) for name in SCHEMA.names}
    labels = columns.pop("active_speaker_labels")
    if labels.flatten().null_count:
        raise UsageError(f"{path}: active_speaker_labels holds a null label; labels are strings.")
    arrays: dict[str, Any] = {name: to_numpy(column) for name, column in columns.items()}
    arrays["labels"] = label_activity(labels)
    return arrays


def _typed(path: Path, column: pa.Array, field: pa.Field) -> pa.Array:
    """Return the column in the schema's type: other writers may widen integers or call strings large."""
    if column.null_count:
        raise UsageError(f"{path}: the column {field.name} has missing values; every frame needs one.")
    if column.type == field.type:
        return column
    try:
        return column.cast(field.type)
    except pa.ArrowException as error:
        raise UsageError(f"{path}: the column {field.name} is {column.type}, {field.type} is needed.") from error


def _assemble(path: Path, parts: list[dict[str, Any]], metadata: dict[str, Any], fps: Fraction | None) -> Timeline:
    def column(name: str) -> NDArray[Any]:
        empty = np.empty(0, SCHEMA.field(name).type.to_pandas_dtype())
        return np.concatenate([empty, *(part[name] for part in parts)])

    _require_sequence(path, column("frame"))
    names, active = _merge(path, [part["labels"] for part in parts])
    timecodes = column("timecode_sec")
    _require_clock(path, timecodes)
    source = metadata.get("source", {})
    timeline = Timeline(
        video_filename=str(source.get("name") or ""),
        fps=rate_of(source["fps"]) if "fps" in source else fps or _rate_from(path, timecodes),
        timecodes=timecodes,
        speech=column("is_speech_present"),
        speakers=names,
        active=active,
        count=column("num_distinct_speakers_audio"),
        scores=column("speech_score") if metadata.get("has_scores", True) else None,
        metadata=metadata,
    )
    _require_summary(path, timeline)
    return timeline


def _require_summary(path: Path, timeline: Timeline) -> None:
    """Check that the rows add up to the summary stored beside them, as far as there is one.

    Where the rate varies, seconds are those of the turns, and no matter of rows.
    """
    stored = timeline.metadata.get("summary")
    computed = json.loads(json.dumps(timeline.summary.to_dict()))
    if timeline.metadata.get("source", {}).get("variable_frame_rate"):
        computed = {name: computed[name] for name in ("frames", "speech_frames", "percent", "first_speech_sec")}
    for name, value in computed.items():
        if isinstance(stored, dict) and stored.get(name, value) != value:
            contradiction = (
                f"summary says {name} {json.dumps(stored[name])[:80]}, the rows say {json.dumps(value)[:80]}"
            )
            raise StorageError(f"{path} is damaged and was not used: its {contradiction}.")


def _require_clock(path: Path, timecodes: NDArray[np.float64]) -> None:
    # Values that are not finite are left to the comparison, which has a verdict for them.
    back = np.flatnonzero(np.diff(timecodes[np.isfinite(timecodes)]) < 0)
    if len(back):
        raise UsageError(f"{path}: timecode_sec goes back after row {int(back[0]) + 1}; frames are in order of time.")


def _require_sequence(path: Path, frame: NDArray[np.int32]) -> None:
    wrong = np.flatnonzero(frame != np.arange(1, len(frame) + 1))
    if len(wrong):
        place = int(wrong[0])
        raise UsageError(f"{path}: row {place + 1} holds frame {frame[place]}; frames count from 1 without gaps.")


def _merge(path: Path, blocks: list[tuple[list[str], NDArray[np.bool_]]]) -> tuple[tuple[str, ...], NDArray[np.bool_]]:
    """Return the activity of all batches on one sorted set of columns."""
    names = tuple(sorted({name for block, _ in blocks for name in block}))
    if len(names) > MAX_SPEAKERS:
        raise UsageError(f"{path} names {len(names)} speakers; at most {MAX_SPEAKERS} are accepted.")
    active = np.zeros((sum(len(block) for _, block in blocks), len(names)), dtype=bool, order="F")
    first = 0
    for labels, block in blocks:
        active[first : first + len(block), [names.index(label) for label in labels]] = block
        first += len(block)
    return names, active


def _rate_from(path: Path, timecodes: NDArray[np.float64]) -> Fraction:
    """Return the frame rate of a table that does not state one: the average over its timecodes."""
    span = float(timecodes[-1] - timecodes[0]) if len(timecodes) else 0.0
    if not span > 0:
        raise UsageError(f"{path} states no frame rate in its metadata (source.fps) and has no timecodes to tell it.")
    return rate_of((len(timecodes) - 1) / span)

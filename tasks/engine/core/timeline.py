"""The per-frame table of one video: compact in memory, Arrow batches on the way to and from files."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.engine.core.arrow import to_arrow, to_numpy, to_strings
from tasks.engine.core.frames import FrameGrid, activity
from tasks.engine.core.summary import UNNAMED, Summary, SummaryAccumulator
from tasks.engine.core.turns import SpeechScores, Turn

SCHEMA_VERSION = 1
BATCH = 65536
"""Frames per batch and Parquet row group: 44 minutes at 25 frames per second."""

MAX_SPEAKERS = 1000
"""More labels than any recording has people: a file that names more is something else."""


def _column(name: str, kind: pa.DataType, description: str) -> pa.Field:
    return pa.field(name, kind, nullable=False, metadata={"description": description})


SCHEMA = pa.schema(
    [
        _column("frame", pa.int32(), "Video frame, counted from 1."),
        _column("timecode_sec", pa.float64(), "Presentation time of the frame in seconds; the first frame shows at 0."),
        _column("is_speech_present", pa.bool_(), "Does anyone speak at the centre of the frame?"),
        _column("num_distinct_speakers_audio", pa.uint8(), "How many speakers speak at the centre of the frame."),
        _column(
            "active_speaker_labels",
            pa.list_(pa.field("element", pa.string(), nullable=False)),
            "Labels of those speakers, sorted.",
        ),
        _column("speech_score", pa.float32(), "Speech probability, 0 to 1, of the model frame nearest to the centre."),
    ]
)


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """The table of one video; n frames, S speakers.

    What a file states is kept even where it contradicts itself: ``speech`` and ``count`` need not follow from
    ``active``.

    Attributes:
        video_filename: name of the source video, empty where the file does not say.
        fps: frame rate as a rational; the average where the rate varies.
        timecodes: (n,) float64, presentation times in seconds.
        speech: (n,) bool, whether anyone speaks.
        speakers: S labels, sorted.
        active: (n, S) bool, who speaks.
        count: (n,) uint8, number of speakers as stored.
        scores: (n,) float32, 0 to 1, or None where the file has none.
        metadata: the ``step4`` object of the file, empty where it has none.
    """

    video_filename: str
    fps: Fraction
    timecodes: NDArray[np.float64]
    speech: NDArray[np.bool_]
    speakers: tuple[str, ...]
    active: NDArray[np.bool_]
    count: NDArray[np.uint8]
    scores: NDArray[np.float32] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.speech)

    @property
    def summary(self) -> Summary:
        """Speech frames, percentage, first speech and speakers, by the frames and how long they show."""
        accumulator = SummaryAccumulator(self.fps)
        accumulator.add(self.timecodes, self.speech, self.speakers, self.active)
        return accumulator.summary()

    @property
    def is_regular(self) -> bool:
        """Whether every frame shows when a constant rate has it, within a millisecond."""
        regular = FrameGrid(self.frames, self.fps).times()
        return bool(np.allclose(self.timecodes, regular, rtol=0, atol=1e-3))

    def voices(self) -> tuple[tuple[str, ...], NDArray[np.bool_]]:
        """Return names and (n, V) activity of those who speak at all, the unnamed speaker last."""
        unnamed = self.speech & ~self.active.any(axis=1)
        used: NDArray[np.bool_] = np.any(self.active, axis=0)
        names = tuple(name for name, speaks in zip(self.speakers, used, strict=True) if speaks)
        if not unnamed.any():
            return names, self.active[:, used]
        return (*names, UNNAMED), np.asfortranarray(np.column_stack([self.active[:, used], unnamed]))

    def frame_ends(self) -> NDArray[np.float64]:
        """Return the (n,) seconds at which each frame gives way to the next."""
        last = self.timecodes[-1:] + float(1 / self.fps)
        return np.append(self.timecodes[1:], last)

    def batches(self, batch: int = BATCH) -> Iterator[pa.RecordBatch]:
        """Yield the table in the files' schema; where there are no scores the column repeats the decision as 0 or 1."""
        scores = self.speech.astype(np.float32) if self.scores is None else self.scores
        for first in range(0, self.frames, batch):
            part = slice(first, first + batch)
            yield _record_batch(
                first,
                times=self.timecodes[part],
                speech=self.speech[part],
                count=self.count[part],
                labels=label_lists(self.speakers, self.active[part]),
                scores=scores[part],
            )


def rows(turns: Sequence[Turn], scores: SpeechScores, grid: FrameGrid, batch: int = BATCH) -> Iterator[pa.RecordBatch]:
    """Lay turns and scores on the video's frames, a batch at a time, so that memory does not grow with the video.

    A frame belongs to a turn when the frame's centre lies in [start, end).
    """
    speakers = sorted({turn.speaker for turn in turns})
    for first in range(0, grid.count, batch):
        centres = grid.centres(first, first + batch)
        active = activity(turns, speakers, centres)
        count = np.count_nonzero(active, axis=1).astype(np.uint8)
        yield _record_batch(
            first,
            times=grid.times(first, first + batch),
            speech=count > 0,
            count=count,
            labels=label_lists(speakers, active),
            scores=scores.at(centres),
        )


def timeline_of(turns: Sequence[Turn], scores: SpeechScores | None, grid: FrameGrid) -> Timeline:
    """Lay turns and scores, where there are any, on the video's frames: the table of `rows` in memory."""
    speakers = tuple(sorted({turn.speaker for turn in turns}))
    centres = grid.centres()
    active = activity(turns, speakers, centres)
    count = np.count_nonzero(active, axis=1).astype(np.uint8)
    values = None if scores is None else scores.at(centres)
    return Timeline("", grid.fps, grid.times(), count > 0, speakers, active, count, values)


def summarise(batches: Iterable[pa.RecordBatch], fps: Fraction) -> Summary:
    """Summarise a table from its batches: the file's metadata holds the summary, and is written before the rows."""
    accumulator = SummaryAccumulator(fps)
    for batch in batches:
        times, speech = (to_numpy(batch.column(name)) for name in SCHEMA.names[1:3])
        accumulator.add(times, speech, *label_activity(batch.column("active_speaker_labels")))
    return accumulator.summary()


def turns_of(timeline: Timeline) -> list[Turn]:
    """Return the runs of frames per speaker as turns, sorted: what a frame table still knows about its turns."""
    names, active = timeline.voices()
    ends = timeline.frame_ends()
    turns = []
    for column, name in enumerate(names):
        edges = np.flatnonzero(np.diff(active[:, column], prepend=False, append=False))
        for first, stop in edges.reshape(-1, 2):
            score = 0.0 if timeline.scores is None else float(timeline.scores[first:stop].mean())
            turns.append(Turn(float(timeline.timecodes[first]), float(ends[stop - 1]), name, score))
    return sorted(turns)


def label_lists(names: Sequence[str], active: NDArray[np.bool_]) -> pa.ListArray:
    """Return (n, S) activity as n lists of labels, in the order of ``names``."""
    _, column = np.nonzero(active)
    offsets = np.append(0, np.cumsum(np.count_nonzero(active, axis=1)))
    values = pa.DictionaryArray.from_arrays(to_arrow(column, pa.int32()), to_strings(names))
    kind = SCHEMA.field("active_speaker_labels").type
    return pa.ListArray.from_arrays(to_arrow(offsets, pa.int32()), values.dictionary_decode(), type=kind)


def label_activity(labels: pa.ListArray) -> tuple[list[str], NDArray[np.bool_]]:
    """Invert `label_lists`: return distinct labels in order of appearance, and (n, S) activity."""
    values = labels.flatten()
    encoded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    names = encoded.dictionary.to_pylist()
    row = np.repeat(np.arange(len(labels)), np.diff(to_numpy(labels.offsets)))
    active = np.zeros((len(labels), len(names)), dtype=bool, order="F")
    active[row, to_numpy(encoded.indices)] = True
    return names, active


def _record_batch(
    first: int,
    *,
    times: NDArray[np.float64],
    speech: NDArray[np.bool_],
    count: NDArray[np.uint8],
    labels: pa.ListArray,
    scores: NDArray[np.float32],
) -> pa.RecordBatch:
    frame = np.arange(first + 1, first + 1 + len(speech), dtype=np.int32)
    columns: list[pa.Array | NDArray[Any]] = [frame, times, speech, count, labels, scores]
    arrays = [
        to_arrow(column, kind) if isinstance(column, np.ndarray) else column
        for column, kind in zip(columns, SCHEMA.types, strict=True)
    ]
    return pa.record_batch(arrays, SCHEMA)

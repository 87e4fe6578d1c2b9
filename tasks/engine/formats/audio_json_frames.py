"""Collect the frames of an ``_audio.json`` as they are read, so that no tree of objects is built."""

import contextlib
import json
import math
from array import array
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from tasks.engine.core.errors import UsageError
from tasks.engine.core.finite import finite_float
from tasks.engine.core.timeline import MAX_SPEAKERS

MAX_FRAMES = 1 << 25
"""Two weeks at 25 frames per second; a small gzip file can unfold to more than the memory holds."""

SHAPE = 'a timeline has {"frames_analysis": [{"frame": 1, "audio_info": {"is_speech_present": false, …}}, …]}'

_MAX_COUNT = 255


class FrameReader:
    """Keeps every frame it is called with as one row.

    Attributes:
        speech: one 0 or 1 per frame.
        counts: number of speakers per frame.
        times: seconds per frame, NaN where the file states none.

    Raises:
        UsageError: when called with what is no frame, with one that is misnumbered or whose values have other types, or
            with more frames than `max_frames`; names the frame.
    """

    def __init__(self, path: Path, max_frames: int = MAX_FRAMES) -> None:
        self._path = path
        self._max_frames = max_frames
        self.speech = array("B")
        self.counts = array("B")
        self.times = array("d")
        self._labels = array("l")
        self._sets: dict[tuple[str, ...], int] = {}
        self._names: dict[str, None] = {}

    def __call__(self, entry: Any) -> None:  # noqa: ANN401  # whatever the JSON holds
        """Take the next entry of the list."""
        frame = len(self.speech) + 1
        if not isinstance(entry, dict) or "audio_info" not in entry:
            raise UsageError(f"{self._path}: entry {frame} of frames_analysis has no audio_info; {SHAPE}.")
        if frame > self._max_frames:
            raise UsageError(f"{self._path} lists more than {self._max_frames} frames; no video is as long.")
        self._check_number(frame, entry.get("frame"))
        self._take(frame, entry["audio_info"])

    def activity(self) -> tuple[tuple[str, ...], NDArray[np.bool_]]:
        """Return sorted labels and (frames, labels) activity."""
        names = tuple(sorted(self._names))
        table = np.zeros((len(self._sets), len(names)), dtype=bool)
        for labels, row in self._sets.items():
            table[row, [names.index(label) for label in labels]] = True
        return names, np.asfortranarray(table[np.array(self._labels, dtype=np.int64)])

    def refuse_constant(self, text: str) -> NoReturn:
        """Refuse NaN and Infinity, which Python's parser would let pass."""
        raise UsageError(f"{self._path}: {text} after frame {len(self.speech)} is not a number JSON knows.")

    def _check_number(self, due: int, stated: object) -> None:
        if isinstance(stated, bool) or not isinstance(stated, int | float):
            self._refuse(due, f"its frame number is {_shown(stated)}, a whole number is needed")
        if stated > due:
            self._refuse(due, f"it is missing, frame {_shown(stated)} stands in its place")
        if stated != due:
            self._refuse(due, f"frame {_shown(stated)} stands here, duplicated or out of order; frames count from 1")

    def _take(self, frame: int, info: object) -> None:
        if not isinstance(info, dict) or not isinstance(info.get("is_speech_present"), bool):
            self._refuse(frame, "its audio_info needs is_speech_present, true or false")
        labels = self._label_set(frame, info.get("active_speaker_labels"))
        # Speech without a label is speech by somebody.
        count = info.get("num_distinct_speakers_audio", max(len(labels), int(info["is_speech_present"])))
        if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= _MAX_COUNT:
            self._refuse(frame, f"num_distinct_speakers_audio is {_shown(count)}, 0 to {_MAX_COUNT} is accepted")
        self.times.append(self._time(frame, info.get("timecode_sec")))
        self._labels.append(self._sets.setdefault(labels, len(self._sets)))
        self.counts.append(count)
        self.speech.append(info["is_speech_present"])

    def _label_set(self, frame: int, labels: object) -> tuple[str, ...]:
        if labels is None:
            return ()
        if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
            self._refuse(frame, f"active_speaker_labels is {_shown(labels)}, a list of strings is needed")
        for label in labels:
            if label not in self._names:
                self._admit(frame, label)
        return tuple(sorted(set(labels)))

    def _admit(self, frame: int, label: str) -> None:
        if not label.isascii() and label.encode("utf-8", "ignore").decode() != label:
            self._refuse(frame, f"the label {_shown(label)} is not valid Unicode")
        if len(self._names) == MAX_SPEAKERS:
            self._refuse(frame, f"it brings a label beyond the {MAX_SPEAKERS} different ones that are accepted")
        self._names[label] = None

    def _time(self, frame: int, time: object) -> float:
        if time is None:
            return math.nan
        seconds = None
        if isinstance(time, int | float) and not isinstance(time, bool):
            with contextlib.suppress(ValueError):
                seconds = finite_float(time)
        if seconds is None:
            self._refuse(frame, f"timecode_sec is {_shown(time)}, finite seconds are needed")
        return seconds

    def _refuse(self, frame: int, reason: str) -> NoReturn:
        raise UsageError(f"{self._path}: frame {frame}: {reason}.")


def _shown(value: object) -> str:
    """Return a value as the file wrote it, cut short."""
    return json.dumps(value, default=repr)[:60]

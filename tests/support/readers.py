"""Everything that reads what others wrote, as functions of bytes: for Hypothesis and for the fuzzer."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from profiles.profile import FOLDER, read_profile
from tasks.engine.core.errors import Step4Error
from tasks.engine.core.frames import FrameGrid
from tasks.engine.core.timeline import rows
from tasks.engine.core.turns import Turn
from tasks.engine.formats import audio_json, rttm, timeline_parquet, turns_parquet
from tasks.engine.formats.detect import load_timeline
from tasks.engine.inference.result_store import ResultStore
from tasks.engine.inference.types import Diarization
from tasks.engine.media.containers import AudioTrack, Media
from tasks.engine.media.probe_process import decode, encode
from tasks.engine.publishing.manifest import load_verified_manifest
from tasks.engine.testing import scores_of

TURNS = (Turn(0.5, 2.0, "SPEAKER_00"), Turn(1.8, 3.5, "SPEAKER_01"))
GRID = FrameGrid(100, Fraction(25))


@dataclass(frozen=True)
class Reader:
    """read: a file's path to whatever it holds. suffix: of the file. seed: writes a whole one."""

    read: Callable[[Path], Any]
    suffix: str
    seed: Callable[[Path], None]

    def survives(self, content: bytes, folder: Path) -> bool:
        """Read this content: did it pass? Only the error tree may come out.

        Raises:
            Exception: whatever else came out: a finding.
        """
        path = folder / f"x{self.suffix}"
        path.write_bytes(content)
        try:
            self.read(path)
        except Step4Error:
            return False
        return True


def seed_json(path: Path) -> None:
    """An `_audio.json`."""
    batches = rows(TURNS, scores_of(TURNS, 4.0), GRID)
    audio_json.write(path, batches, video_filename="clip.mp4", total_frames=GRID.count, fps=GRID.fps)


def seed_timeline(path: Path) -> None:
    """A timeline in Parquet."""
    batches = rows(TURNS, scores_of(TURNS, 4.0), GRID)
    timeline_parquet.write(path, batches, {"source": {"name": "clip.mp4", "fps": "25/1"}})


def seed_manifest(path: Path) -> None:
    """A manifest with one file that is there."""
    names = ("clip_timeline.parquet", "clip_turns.parquet")
    path.write_text(json.dumps({"run_key": "x", "files": {name: {"sha256": "0" * 64} for name in names}}))


def seed_profile(path: Path) -> None:
    """A profile that is shipped."""
    path.write_bytes((FOLDER / "cpu.toml").read_bytes())


def seed_store(path: Path) -> None:
    """A finished inference."""
    ResultStore(path.parent).put(path.stem, Diarization(TURNS, scores_of(TURNS, 4.0), {"device": "cpu"}))


def seed_probe(path: Path) -> None:
    """What the probe says of a video of variable rate."""
    grid = FrameGrid(3, Fraction(25), np.array([0.0, 0.05, 0.1]))
    track = AudioTrack(1, "aac", 44100, 2, 0.0, 5.0, 0.0)
    path.write_bytes(encode(Media(path, 9, "0" * 64, "matroska,webm", grid, True, False, 0.0, track, 0)))  # noqa: FBT003


READERS = {
    "audio_json": Reader(load_timeline, "_audio.json", seed_json),
    "audio_json_gz": Reader(load_timeline, "_audio.json.gz", seed_json),
    "timeline": Reader(load_timeline, "_timeline.parquet", seed_timeline),
    "turns": Reader(turns_parquet.read, "_turns.parquet", lambda path: turns_parquet.write(path, TURNS, {})),
    "rttm": Reader(rttm.read, ".rttm", lambda path: rttm.write(path, TURNS, "clip")),
    "manifest": Reader(load_verified_manifest, "_step4.json", seed_manifest),
    "profile": Reader(
        read_profile, ".toml", lambda path: path.write_bytes((FOLDER / "cpu.toml").read_bytes()) and None
    ),
    "store": Reader(lambda path: ResultStore(path.parent).get(path.stem), ".npz", seed_store),
    "probe": Reader(lambda path: decode(path, path.read_bytes()), ".answer", seed_probe),
}


def seed(name: str, folder: Path) -> bytes:
    """A whole file of a reader's kind."""
    path = folder / f"seed{READERS[name].suffix}"
    READERS[name].seed(path)
    return path.read_bytes()

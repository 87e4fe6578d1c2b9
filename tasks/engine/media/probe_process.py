"""The probe in a sandboxed process, and the protocol in which it answers.

libavformat parses untrusted input, and a file of some hundred bytes can make it crash or ask for gigabytes: in a
sandboxed process that is a refusal. The answer is JSON and numbers, and as untrusted as the file.
"""

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from tasks.engine.core.choices import FrameCount
from tasks.engine.core.constants import PROJECT
from tasks.engine.core.errors import MediaError, Step4Error, StorageError, UsageError
from tasks.engine.core.finite import finite_float, first_non_finite
from tasks.engine.core.frames import FrameGrid
from tasks.engine.media.containers import Media, read
from tasks.engine.media.limits import MediaLimits
from tasks.engine.media.tracks import AudioTrack
from tasks.engine.system import sandbox
from tasks.engine.system.sandbox import Bounds, ProcessResult, Runner

REFUSALS = {error.__name__: error for error in (MediaError, StorageError, UsageError)}
CHILD = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from tasks.engine.media.probe_process import answer; answer(*sys.argv[2:])"
)
PLAIN_FIELDS = {
    "size": int,
    "modified_ns": int,
    "sha256": str,
    "container": str,
    "variable_frame_rate": bool,
    "fps_assumed": bool,
    "corrupt_packets": int,
    "truncated": bool,
    "counted_why": str,
}
TRACK_FIELDS = {
    "index": int,
    "codec": str,
    "sample_rate": int,
    "channels": int,
    "decodable": bool,
    "own_programme": bool,
    "special": bool,
    "packets": int,
}


def examine(
    path: Path,
    size: int,
    limits: MediaLimits,
    runner: Runner = sandbox.run,
    **options: Any,  # noqa: ANN401  # as `read` takes them
) -> Media:
    """Run `containers.read` in a sandboxed process.

    Args:
        path: absolute; a regular file.
        size: its bytes, which decide how long the process may take.
        limits: what is accepted.
        runner: starts the process; tests pass their own.
        options: what else `read` takes.

    Raises:
        UsageError: as `read`.
        MediaError: as `read`; or the process crashed, hung or used too much.
        StorageError: the file could not be read.
        EngineError: the process could not be started.
    """
    arguments = [sys.executable, "-I", "-c", CHILD, str(PROJECT), str(path), json.dumps(asdict(limits))]
    arguments.append(json.dumps(options))
    bounds = limits.bounds(size)
    with tempfile.TemporaryFile() as pipe:  # without a name: nothing to clean up, whatever happens
        try:
            result = runner(arguments, bounds, pipe)
        except subprocess.TimeoutExpired as error:
            raise MediaError(f"{path.name!r} was not examined within {bounds.wall_sec:.0f} s: given up.") from error
        pipe.seek(0)
        if result.returncode:
            raise crash(path, result, bounds)
        return decode(path, pipe.read())


def answer(path: str, limits: str, options: str) -> None:
    """Read a file and write the answer to stdout: the main function of the sandboxed process."""
    sys.stdout.buffer.write(message(path, limits, options))


def message(path: str, limits: str, options: str) -> bytes:
    """Read a file; what was found or why it was refused, as `decode` takes it."""
    try:
        return encode(read(Path(path), MediaLimits(**json.loads(limits)), **json.loads(options)))
    except Step4Error as error:
        return json.dumps({"refused": type(error).__name__, "reason": str(error)}).encode()
    except OSError as error:
        return json.dumps({"refused": "StorageError", "reason": f"{path!r} could not be read: {error}"}).encode()


def encode(media: Media) -> bytes:
    """Encode as one line of JSON, then the frames' times as little-endian float64."""
    grid = media.grid
    facts = {field.name: getattr(media, field.name) for field in fields(Media) if field.name not in {"path", "grid"}}
    facts["audio"] = asdict(media.audio) if media.audio else None
    facts["tracks"] = [asdict(track) for track in media.tracks]
    facts |= {"count": grid.count, "fps": [grid.fps.numerator, grid.fps.denominator], "end_sec": grid.end_sec}
    times = b"" if grid.pts is None else grid.pts.astype("<f8").tobytes()
    return json.dumps(facts).encode() + b"\n" + times


def decode(path: Path, said: bytes) -> Media:
    """Decode the answer, as untrusted input: the file may have taken the process over.

    Raises:
        MediaError: the refusal that it reports, or it is not of the form of `encode`.
        StorageError, UsageError: likewise.
    """
    header, _, body = said.partition(b"\n")
    try:
        facts = json.loads(header)
        if "refused" in facts:
            raise REFUSALS[facts["refused"]](str(facts["reason"]))
        return media_from(path, facts, body)
    except (ValueError, TypeError, KeyError, AttributeError, ZeroDivisionError, OverflowError, RecursionError) as error:
        raise MediaError(f"{path.name!r} could not be examined: the answer makes no sense ({error!r}).") from error


def media_from(path: Path, facts: dict[str, Any], body: bytes) -> Media:
    """Build `Media` from values that must each have the right type.

    Raises:
        TypeError, ValueError, KeyError: one is not.
    """
    if not all(type(facts[name]) is kind for name, kind in PLAIN_FIELDS.items()):
        raise TypeError("a value of another type")
    return Media(
        path=path,
        grid=grid_from(facts, body),
        video_start=finite_float(facts["video_start"]),
        audio=track_from(facts["audio"]) if facts["audio"] is not None else None,
        tracks=tuple(track_from(track) for track in facts["tracks"]),
        notes=tuple(map(str, facts["notes"])),
        counted_by=FrameCount(facts["counted_by"]),
        **{name: facts[name] for name in PLAIN_FIELDS},
    )


def grid_from(facts: dict[str, Any], body: bytes) -> FrameGrid:
    """Build the grid from count, rate, and the times where the rate is variable.

    Raises:
        ValueError: they contradict each other.
    """
    count, rate = int(facts["count"]), Fraction(*map(int, facts["fps"]))
    times = np.frombuffer(body, "<f8") if facts["variable_frame_rate"] else None
    if rate <= 0 or count < 0 or (times is None) == bool(body):
        raise ValueError("no frame grid")
    if times is not None and (len(times) != count or first_non_finite(times) is not None or np.any(np.diff(times) < 0)):
        raise ValueError("no times of frames")
    end = None if facts["end_sec"] is None else finite_float(facts["end_sec"])
    if end is not None and (times is None or not len(times) or end < times[-1]):
        raise ValueError("no end of the last frame")
    return FrameGrid(count, rate, times, end)


def track_from(facts: dict[str, Any]) -> AudioTrack:
    """Build an audio track.

    Raises:
        TypeError, ValueError, KeyError: a value is not what it should be.
    """
    if not all(type(facts[name]) is kind for name, kind in TRACK_FIELDS.items()):
        raise TypeError("a value of another type")
    values: dict[str, Any] = {name: facts[name] for name in TRACK_FIELDS}
    values |= {name: finite_float(facts[name]) for name in ("start_offset_sec", "duration_sec", "largest_gap_sec")}
    values |= {name: facts[name] and str(facts[name]) for name in ("language", "title")}
    return AudioTrack(**values, marks=tuple(map(str, facts["marks"])))


def crash(path: Path, result: ProcessResult, bounds: Bounds) -> MediaError:
    """Say why the process gave no answer."""
    lines = result.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
    if "MemoryError" in lines[-1]:
        return MediaError(f"{path.name!r} needs more than {bounds.memory_bytes >> 20} MiB of memory to examine.")
    return MediaError(
        f"{path.name!r} cannot be examined: reading it {sandbox.exit_reason(result.returncode, bounds)} "
        f"({lines[-1][:120]})."
    )

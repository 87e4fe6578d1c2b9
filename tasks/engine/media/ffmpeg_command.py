"""The command that decodes one audio track, and what ffmpeg says of the times of what it wrote."""

import mmap
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import ffmpeg
import imageio_ffmpeg

from tasks.engine.core.constants import SAMPLE_RATE
from tasks.engine.core.errors import EngineError
from tasks.engine.media.containers import Media
from tasks.engine.media.tracks import DECODERS, AudioTrack

FILL_SEC = 0.04
"""Holes and overlaps from here on (one frame at 25 fps) are filled or trimmed; below, they are a clock's jitter."""

UNSIZED = ("wav", "w64", "aiff", "caf")
"""Where ffmpeg calls the last packet corrupt when a program wrote to a pipe and could not fill in the size."""

ENDS_IN_ERROR = ("gxf",)
"""Where ffmpeg calls the end of every file an error, however whole it is."""

OFF_AIR = ("mpegts",)
"""Where a recording begins and ends in the middle of a packet: corrupt ones are dropped, as the probe drops them."""

JOINED_ANYWHERE = ("mpeg", "aac", "ac3", "eac3", "dts")
"""Likewise, but nothing marks the halves as corrupt: the first packet and the last may fail to decode."""

TAG = re.compile(rb"ID3[\2-\4]\0[\0-\xf0][\0-\x7f]{4}")
"""Header of an ID3v2 tag: within an MP3 each begins another recording, and fails to decode."""

LAST_TAG_BYTES = 128
"""Of an ID3v1 tag, at the end of a file; FLAC has no place for one, and gets it all the same."""

FIRST_FRAMES = "ametadata=mode=add:key=first:value=1:enable=eq(n\\,0),ametadata=mode=print:key=first:file=-:direct=1"
"""Prints a line for each time that the filters begin: anew where layout or rate change within the track."""

EVERY_FRAME = (
    "astats=metadata=1:reset=1:measure_perchannel=none:measure_overall=Number_of_samples,"
    "ametadata=mode=print:key=lavfi.astats.Overall.Number_of_samples:file=-"
)
"""Prints the time of each frame, and how many samples it has."""


def executable() -> str:
    """Return the path of ffmpeg: the one on PATH, else the one that imageio-ffmpeg ships.

    Raises:
        EngineError: there is neither.
    """
    try:
        return shutil.which("ffmpeg") or str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise EngineError("No ffmpeg on PATH and none from imageio-ffmpeg: one of them is needed.") from error


def arguments_for(
    media: Media, track: AudioTrack, output: Path, ffmpeg_path: str, *, piecewise: bool = False
) -> list[str]:
    """Build the command line. Every part of it was tried on whole and on damaged files of each codec.

    Args:
        media: the file.
        track: what is decoded: to mono where it is mono, else to left and right.
        output: file for raw little-endian float32, interleaved.
        ffmpeg_path: of the program.
        piecewise: write only what is heard, and print the time of each frame to stdout; else what is written begins
            with the picture, and each begin of the filters is printed.
    """
    demuxer = media.container.split(",")[0]
    # Names come in last: ffmpeg-python cannot digest one that is not UTF-8, and Linux allows it.
    names = {"<source>": f"file:{media.path}", "<sink>": f"file:{output}"}
    source = ffmpeg.input(
        "<source>",
        f=demuxer,  # named, so that nothing is guessed a second time and no playlist is ever opened
        nostdin=None,
        hide_banner=None,
        v="error",
        filter_threads=1,  # one per core would take address space and no time off
        threads=1,
        protocol_whitelist="file",
        codec_whitelist=DECODERS,
        copyts=None,  # times as the container has them: ffmpeg's own zero is the earliest stream, not the picture
        **_strictness(demuxer, max(1, track.packets), joints(media.path, demuxer), truncated=media.truncated),
    )
    # first_pts counts samples at the *input* rate: zero is the only value that is safe.
    start = "" if piecewise else ":first_pts=0"
    filters = (
        f"asetpts=PTS-({media.video_start:.9f})/TB,"
        f"aresample={SAMPLE_RATE}:async=1{start}:min_hard_comp={FILL_SEC}:rematrix_maxval=1,"
        # rematrix_maxval: channels are averaged, as for integers; floats would be summed, 2.8 times too loud for 5.1.
        f"aformat=sample_fmts=flt:channel_layouts={'mono' if track.channels == 1 else 'stereo'},"
        f"{EVERY_FRAME if piecewise else FIRST_FRAMES}"
    )
    sink = source[str(track.index)].output("<sink>", f="f32le", acodec="pcm_f32le", af=filters, map_metadata=-1)
    return [names.get(part, part) for part in map(str, sink.overwrite_output().compile(cmd=ffmpeg_path))]


def joints(path: Path, demuxer: str) -> int:
    """Count where another recording was joined to an MP3, as advertisements are to podcasts; a tag ends some FLAC."""
    if demuxer not in ("mp3", "flac"):
        return 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if demuxer == "flac":
            return int(content[-LAST_TAG_BYTES:].startswith(b"TAG"))
        return sum(match.start() > 0 for match in TAG.finditer(content))


def _strictness(demuxer: str, packets: int, joints: int, *, truncated: bool) -> dict[str, str | float | None]:
    """Say what becomes of corrupt packets: they end the decoding, but where every recording ends with one.

    Args:
        demuxer: ffmpeg's name of it.
        packets: of sound.
        joints: packets that may fail to decode.
        truncated: of a recording that was cut.
    """
    if truncated:  # the last packet may be a half that no demuxer notices, as in FLAC
        return {"fflags": "+discardcorrupt", "max_error_rate": 1.5 / packets}
    if demuxer in JOINED_ANYWHERE:
        return {"max_error_rate": 2.5 / packets}
    if joints:
        return {"max_error_rate": (joints + 0.5) / packets}
    strict: dict[str, str | float | None] = {"max_error_rate": 0}  # the default forgives two packets in three
    if demuxer in OFF_AIR:
        return strict | {"fflags": "+discardcorrupt"}
    return strict if demuxer in UNSIZED + ENDS_IN_ERROR else strict | {"xerror": None}


def begins(lines: Iterable[bytes]) -> int:
    """Count how often the filters began, by what `FIRST_FRAMES` printed."""
    return sum(line.startswith(b"frame:") for line in lines)


def frames(lines: Iterable[bytes]) -> Iterator[tuple[int, int]]:
    """Yield (first sample, number of samples) of each frame, by what `EVERY_FRAME` printed.

    Raises:
        ValueError: it printed something else.
    """
    at = 0
    for line in lines:
        if line.startswith(b"frame:"):
            at = int(line.split(b"pts:")[1].split()[0])
        else:
            yield at, int(float(line.partition(b"=")[2]))

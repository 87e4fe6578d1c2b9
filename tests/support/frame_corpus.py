"""Small videos over codec, container and cut, and how they are made."""

from collections.abc import Iterator
from pathlib import Path

from media_samples import ffmpeg

SECONDS = 6
SOURCES = ("-f", "lavfi", "-i", f"testsrc2=size=64x48:rate=25:duration={SECONDS}")
SOUND = ("-f", "lavfi", "-i", f"sine=duration={SECONDS}")

X264 = "-c:v libx264 -preset veryfast -g 50 -keyint_min 50 -sc_threshold 0 -bf 3"
X265 = "-c:v libx265 -preset ultrafast -g 50"
CODECS = {
    "h264": X264,
    "h264, open groups": f"{X264} -x264-params open-gop=1",
    "h264, MBAFF": f"{X264} -flags +ildct+ilme",
    "h264, intra refresh": "-c:v libx264 -preset veryfast -g 50 -x264-params intra-refresh=1",
    "hevc, open groups": f"{X265} -x265-params log-level=none:bframes=3:open-gop=1:scenecut=0:min-keyint=50",
    "hevc, closed groups": f"{X265} -x265-params log-level=none:bframes=3:open-gop=0",
    "hevc, fields": f"{X265} -x265-params log-level=none:interlace=tff",
    "mpeg2": "-c:v mpeg2video -bf 2 -g 15",
    "mpeg2, interlaced": "-c:v mpeg2video -bf 2 -g 15 -flags +ildct+ilme",
    "mpeg1": "-c:v mpeg1video -bf 2 -g 15",
    "mpeg4": "-c:v mpeg4 -bf 2 -g 25",
    "msmpeg4": "-c:v msmpeg4",
    "wmv2": "-c:v wmv2",
    "vp8": "-c:v libvpx -b:v 60k -auto-alt-ref 1 -lag-in-frames 16 -g 50",
    "vp9": "-c:v libvpx-vp9 -b:v 60k -auto-alt-ref 1 -lag-in-frames 16 -g 50 -cpu-used 4",
    "av1": "-c:v libsvtav1 -preset 10 -g 50",
    "theora": "-c:v libtheora",
    "flv": "-c:v flv",
    "mjpeg": "-c:v mjpeg",
    "prores": "-c:v prores_ks",
    "ffv1": "-c:v ffv1",
}
CONTAINERS = {
    "h264": ("mp4", "mkv", "ts", "mov", "flv", "avi"),
    "h264, open groups": ("mp4", "mkv", "ts"),
    "h264, MBAFF": ("mp4", "ts"),
    "h264, intra refresh": ("mkv", "ts"),
    "hevc, open groups": ("mp4", "mkv", "ts"),
    "hevc, closed groups": ("mp4", "ts"),
    "hevc, fields": ("mkv", "ts"),
    "mpeg2": ("ts", "mpg", "mkv", "avi"),
    "mpeg2, interlaced": ("ts", "mpg"),
    "mpeg1": ("mpg", "ts"),
    "mpeg4": ("mp4", "avi", "mkv"),
    "msmpeg4": ("avi",),
    "wmv2": ("asf",),
    "vp8": ("webm",),
    "vp9": ("webm", "mp4"),
    "av1": ("mp4", "webm"),
    "theora": ("ogg",),
    "flv": ("flv",),
    "mjpeg": ("avi", "mov"),
    "prores": ("mov",),
    "ffv1": ("mkv",),
}
KINDS = [(codec, container) for codec in CODECS for container in CONTAINERS[codec]]
AUDIO = {"webm": "libopus", "ogg": "libvorbis", "asf": "wmav2", "avi": "mp2", "ts": "mp2", "mpg": "mp2"}
PACKET_BYTES = {"ts": 188, "mpg": 2048}


def corpus(folder: Path, codec: str, container: str) -> Iterator[tuple[str, Path]]:
    """Yield (cut, file): whole, copied from places within groups, and where receivers do it, cut at any byte."""
    whole = folder / f"whole.{container}"
    ffmpeg(*SOURCES, *SOUND, *CODECS[codec].split(), "-c:a", AUDIO.get(container, "aac"), whole)
    yield "whole", whole
    if container == "ogg":  # ffmpeg's copies of a part have times that run backwards, which is refused
        return
    for name, span in (("from 1.5 s", ("-ss", "1.5")), ("1.3 to 5 s", ("-ss", "1.3", "-t", "3.7"))):
        part = folder / f"{name}.{container}"
        ffmpeg(*span, "-i", whole, "-map", "0", "-c", "copy", part)
        yield name, part
    if size := PACKET_BYTES.get(container):
        content = whole.read_bytes()
        for name, first, last in (("first 3 % lost", 0.03, 1), ("both ends lost", 0.2, 0.83)):
            part = folder / f"{name}.{container}"
            part.write_bytes(
                content[int(len(content) * first) // size * size : int(len(content) * last) // size * size]
            )
            yield name, part
        part = folder / f"at any byte.{container}"
        part.write_bytes(content[int(len(content) * 0.07) : int(len(content) * 0.9)])
        yield "at any byte", part

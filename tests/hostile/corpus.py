"""Files made to do harm, from a few bytes or a spoiled clip. A case makes a path and says what is refused."""

import os
import struct
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from media_samples import FFMPEG, burst, clip, cut, ffmpeg, noise, overwrite, picture

from tasks.engine.media.limits import MediaLimits

Make = Callable[[Path, int], Path]
"""Makes the file in a folder, given the port of a listener that must never hear from it."""

REFUSED, ACCEPTED = 4, 0


@dataclass(frozen=True)
class Case:
    """make: the file. found: a part of the refusal. limits: where not the default ones. code: exit code."""

    make: Make
    found: str = "cannot be read as media"
    limits: MediaLimits = field(default_factory=MediaLimits)
    code: int = REFUSED


def written(name: str, content: str | bytes) -> Make:
    """A file of just this; `{port}` and `{other}` stand for the listener and another local video."""

    def make(folder: Path, port: int) -> Path:
        data = content
        if isinstance(data, str):
            other = clip(folder / "other.mkv") if "{other}" in data else folder
            data = data.replace("{other}", str(other)).replace("{port}", str(port)).encode()
        (folder / name).write_bytes(data)
        return folder / name

    return make


def spoilt(name: str, change: Callable[[Path], Path], *arguments: object) -> Make:
    """A small clip, then a change to it."""
    return lambda folder, _port: change(clip(folder / name, *arguments))  # type: ignore[arg-type]


def box(kind: bytes, *content: bytes) -> bytes:
    """One box of ISO base media."""
    data = b"".join(content)
    return struct.pack(">I4s", len(data) + 8, kind) + data


FTYP = box(b"ftyp", b"isom\0\0\2\0isomiso2mp41")


def sound_box(samples: int, size: int, rate: int = 8000, channels: int = 1) -> bytes:
    """A whole moov that promises so many samples of one size, in a few hundred bytes."""
    full = bytes(4)
    entry = box(b"sowt", bytes(6), b"\0\1", bytes(8), struct.pack(">HHIHH", channels, 16, 0, min(rate, 65535), 0))
    table = box(
        b"stbl",
        box(b"stsd", full, struct.pack(">I", 1), entry),
        box(b"stts", full, struct.pack(">III", 1, samples, 1)),
        box(b"stsc", full, struct.pack(">IIII", 1, 1, samples, 1)),
        box(b"stsz", full, struct.pack(">II", size, samples)),
        box(b"stco", full, struct.pack(">II", 1, 40)),
    )
    media = box(
        b"mdia",
        box(b"mdhd", full, struct.pack(">IIIIHH", 0, 0, rate, min(samples, 2**32 - 1), 0, 0)),
        box(b"hdlr", full, bytes(4), b"soun", bytes(13)),
        box(b"minf", table),
    )
    header = box(b"tkhd", b"\0\0\0\7", struct.pack(">IIIII", 0, 0, 1, 0, 1), bytes(60))
    return box(b"moov", box(b"mvhd", full, struct.pack(">IIII", 0, 0, 1000, 1), bytes(80)), box(b"trak", header, media))


def sound_file(name: str, **promised: int) -> Make:
    """An MP4 with such a moov and 1 kB of sound."""
    return written(name, FTYP + box(b"mdat", bytes(1024)) + sound_box(**promised))


def wav_header(rate: int, channels: int, size: int) -> bytes:
    """44 bytes that promise 16-bit sound."""
    block = 2 * channels % 65536
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * block % 2**32, block, 16)
    return b"RIFF" + struct.pack("<I", size + 36) + b"WAVEfmt " + struct.pack("<I", 16) + form + b"data"


def nested(levels: int) -> bytes:
    """Boxes within boxes."""
    data = b""
    for _ in range(levels):
        data = box(b"moov", data) if len(data) < 2**31 else data
    return FTYP + data


def many_streams(folder: Path, _port: int, count: int = 300) -> Path:
    """A container whose every stream is real."""
    source = clip(folder / "one.wav", burst(8000, seconds=0.1), "pcm_s16le")
    maps = [part for _ in range(count) for part in ("-map", "0:a")]
    ffmpeg("-i", source, *maps, "-c", "copy", folder / "many.mkv")
    return folder / "many.mkv"


def magicyuv(folder: Path, _port: int) -> Path:
    """Picture of a codec whose decoder had a hole: it must never run, and only sound is wanted of the file."""
    ffmpeg(*picture(), *burst(), "-c:v", "magicyuv", "-c:a", "aac", folder / "clip.mkv")
    return folder / "clip.mkv"


def silence_bomb(folder: Path, _port: int) -> Path:
    """Ten hours of silence in a few MB."""
    silence = ["-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono:d=600"]
    ffmpeg(*silence, "-c:a", "flac", folder / "source.flac")
    ffmpeg("-stream_loop", "59", "-i", folder / "source.flac", "-c", "copy", folder / "bomb.mka")
    return folder / "bomb.mka"


def forged_time(folder: Path, _port: int) -> Path:
    """A recording whose second half claims to be played a week later."""
    late = ["-bsf:a", "setts=ts=if(gt(N\\,50)\\,TS+STARTPTS+604800000\\,TS)"]
    ffmpeg(
        "-i", clip(folder / "source.mkv", None, "pcm_s16le"), "-map", "0:a", "-c", "copy", *late, folder / "clip.mkv"
    )
    return folder / "clip.mkv"


def external_reference(folder: Path, _port: int) -> Path:
    """An MP4 whose samples are said to lie in another file: an alias in its data reference."""
    video = clip(folder / "clip.mov", None, "pcm_s16le")
    # The data is said to be elsewhere: its own is read all the same, and nothing else.
    overwrite(video, b"url ", 4, b"\0\0\0\0")
    return overwrite(video, b"url ", 0, b"alis")


def attachments(folder: Path, _port: int) -> Path:
    """A font, a playlist and nothing to hear or see."""
    (folder / "a.m3u8").write_text("#EXTM3U\n/etc/passwd\n")
    srt = folder / "a.srt"
    srt.write_text("1\n00:00:00,500 --> 00:00:03,000\n<font face=/etc/passwd>x\n")
    attach = ["-attach", str(folder / "a.m3u8"), "-metadata:s:t", "mimetype=application/x-font"]
    ffmpeg("-i", srt, *attach, "-c:s", "srt", folder / "clip.mkv")
    return folder / "clip.mkv"


def cover_only(folder: Path, _port: int) -> Path:
    """A picture attached to nothing."""
    ffmpeg(*picture(), "-frames:v", "1", folder / "cover.png")
    return (folder / "cover.png").rename(folder / "cover.mp4")


def named(name: str | bytes) -> Make:
    """Text under a name that means something to a shell, to ffmpeg or to nobody."""

    def make(folder: Path, _port: int) -> Path:
        path = folder / os.fsdecode(name)
        path.write_text("not a video")
        return path

    return make


def pointing(target: str) -> Make:
    """A symbolic link."""

    def make(folder: Path, _port: int) -> Path:
        path = folder / "clip.mp4"
        path.symlink_to(target)
        return path

    return make


def special(kind: str) -> Make:
    """Something in the file system that is not a file."""

    def make(folder: Path, _port: int) -> Path:
        path = folder / "clip.mp4"
        {"fifo": os.mkfifo, "folder": os.mkdir, "missing": lambda _: None}[kind](path)
        return path

    return make


def unreadable(folder: Path, _port: int) -> Path:
    """A file that may not be opened (root may open everything: the test says so)."""
    path = clip(folder / "clip.wav")
    path.chmod(0)
    return path


def big_hole(folder: Path, _port: int) -> Path:
    """A terabyte on paper."""
    path = folder / "clip.mp4"
    with path.open("wb") as file:
        file.write(FTYP)
        file.truncate(1 << 40)
    return path


def over(folder: Path, _port: int, name: str = "clip.mp4") -> Path:
    """An honest clip, for limits that are below it."""
    return clip(folder / name)


def titled(name: str, *codec: str) -> Make:
    """An honest clip whose title is in Latin-1, as old tools wrote it."""

    def make(folder: Path, _port: int) -> Path:
        title = b"title=caf\xe9 \xff\xfe"
        command = [FFMPEG, "-v", "error", *burst(), *codec, "-metadata", title, folder / name]
        subprocess.run(command, check=True)
        return folder / name

    return make


def stream_of(form: str, *codec: str) -> Make:
    """A format that is real but not on the list."""

    def make(folder: Path, _port: int) -> Path:
        arguments = [*picture(), *codec, "-f", form, str(folder / "clip.mp4")]
        subprocess.run([FFMPEG, "-v", "error", "-y", *arguments], check=True, cwd=folder)
        return folder / "clip.mp4"

    return make


HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{target}\n#EXT-X-ENDLIST\n"
DASH = "<MPD><Period><AdaptationSet><Representation><BaseURL>http://127.0.0.1:{port}/a</BaseURL></Representation></AdaptationSet></Period></MPD>"
SVG = '<svg xmlns="http://www.w3.org/2000/svg"><image href="http://127.0.0.1:{port}/a.png"/></svg>'
SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/AVP 0\n"

CASES: dict[str, Case] = {
    # Lists that would have something else opened.
    "HLS to a file, named mp4": Case(written("clip.mp4", HLS.replace("{target}", "{other}"))),
    "HLS to a file": Case(written("clip.m3u8", HLS.replace("{target}", "{other}"))),
    "HLS to /etc/passwd": Case(written("clip.mp4", HLS.replace("{target}", "file:///etc/passwd"))),
    "HLS to http": Case(written("clip.mp4", HLS.replace("{target}", "http://127.0.0.1:{port}/a.ts"))),
    "HLS to concat": Case(written("clip.mp4", HLS.replace("{target}", "concat:{other}|/etc/passwd"))),
    "HLS with a key from http": Case(
        written(
            "clip.mp4",
            HLS.replace("#EXTINF", '#EXT-X-KEY:METHOD=AES-128,URI="http://127.0.0.1:{port}/k"\n#EXTINF').replace(
                "{target}", "{other}"
            ),
        )
    ),
    "HLS with a data URI": Case(written("clip.mp4", HLS.replace("{target}", "data:video/mp2t;base64,AAAA"))),
    "HLS with crypto": Case(written("clip.mp4", HLS.replace("{target}", "crypto:{other}"))),
    "HLS that includes itself": Case(written("clip.mp4", HLS.replace("{target}", "clip.mp4"))),
    "HLS in an AVI": Case(
        written("clip.avi", "RIFF\0\0\0\0AVI LIST\0\0\0\0GAB2\0\2\0#EXTM3U\n#EXTINF:1,\n{other}\n"), "neither"
    ),
    "ffconcat, relative": Case(written("clip.mp4", "ffconcat version 1.0\nfile other.mkv\n#{other}")),
    "ffconcat, absolute": Case(written("clip.mp4", "ffconcat version 1.0\nfile '{other}'\n")),
    "ffconcat to http": Case(written("clip.mp4", "ffconcat version 1.0\nfile http://127.0.0.1:{port}/a\n")),
    "DASH to http": Case(written("clip.mpd", '<?xml version="1.0"?>' + DASH)),
    "SDP": Case(written("clip.sdp", SDP)),
    "SVG with a reference": Case(written("clip.mp4", SVG)),
    "XML entities": Case(
        written("clip.mp4", '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>')
    ),
    "IMF list": Case(written("clip.xml", '<CompositionPlaylist xmlns="http://127.0.0.1:{port}/"/>')),
    "RTSP redirect": Case(written("clip.mp4", "RTSPtext\nrtsp://127.0.0.1:{port}/a\n")),
    "ASX": Case(written("clip.asf", '<asx><entry><ref href="http://127.0.0.1:{port}/a"/></entry></asx>')),
    "ffmetadata": Case(written("clip.mp4", ";FFMETADATA1\ntitle=x\n[STREAM]\n")),
    "a script": Case(written("clip.mp4", "#!/bin/sh\ntouch /tmp/owned\n")),
    "an external data reference": Case(external_reference, code=ACCEPTED),
    # Names.
    "a leading dash": Case(named("-i.mp4")),
    "an option": Case(named("-filter_complex movie=x.mp4")),
    "a URL": Case(named("http:x.mp4")),
    "a pipe": Case(named("pipe:0")),
    "a concat": Case(named("concat:a|b")),
    "a newline": Case(named("a\nb\r\x1b[2J.mp4")),
    "not UTF-8": Case(named(b"\xff\xfe clip.mp4")),
    "shell text": Case(named("$(touch owned);`touch owned`.mp4")),
    "a pattern": Case(named("%d*[?]{a,b}.mp4")),
    "255 bytes": Case(named("x" * 251 + ".mp4")),
    # Not files.
    "missing": Case(special("missing"), "does not exist"),
    "folder": Case(special("folder"), "is a folder"),
    "FIFO": Case(special("fifo"), "is not a file"),
    "a loop of links": Case(pointing("clip.mp4"), "does not exist|cannot be opened"),
    "a link to /dev/zero": Case(pointing("/dev/zero"), "is not a file"),
    "a link to the terminal": Case(pointing("/dev/tty"), "is not a file|does not exist"),
    "a link to /etc/passwd": Case(pointing("/etc/passwd")),
    "a link to kernel messages": Case(pointing("/proc/kmsg"), "empty|cannot be opened|does not exist"),
    "a link to itself in /proc": Case(pointing("/proc/self/mem"), "empty|cannot be opened|does not exist"),
    "may not be read": Case(unreadable, "may it be read"),
    # Promises.
    "empty": Case(written("clip.mp4", b""), "0 bytes"),
    "one byte": Case(written("clip.mp4", b"\0")),
    "zeros": Case(written("clip.mp4", bytes(1 << 20))),
    "a terabyte of nothing": Case(big_hole, "1024 GiB"),
    "4 billion samples": Case(sound_file("clip.mp4", samples=2**32 - 1, size=2), "memory|cannot be read|cut short"),
    "2 billion empty samples": Case(sound_file("clip.mp4", samples=2**31 - 1, size=1), "memory|cannot|cut short"),
    "170 million samples": Case(sound_file("clip.mp4", samples=170_000_000, size=1), "memory|cannot|cut short|holds"),
    "65535 channels": Case(
        sound_file("clip.mp4", samples=100, size=2, channels=65535), "channels|cannot|cut short|holds"
    ),
    "10000 nested boxes": Case(written("clip.mp4", nested(10_000))),
    "a box larger than the file": Case(written("clip.mp4", FTYP + b"\x7f\xff\xff\xffmoov"), "cut short"),
    "a box of negative size": Case(written("clip.mp4", FTYP + b"\0\0\0\1moov" + b"\xff" * 8), "cut short"),
    "EBML of endless size": Case(
        written("clip.mkv", b"\x1a\x45\xdf\xa3\x01" + b"\xff" * 64), "cannot be read|cut short"
    ),
    "WAV at 4 GHz": Case(
        written("clip.wav", wav_header(2**32 - 1, 1, 4000) + struct.pack("<I", 4000) + bytes(4000)),
        "samples per second|cannot be read|damaged|neither",
    ),
    "WAV with 65535 channels": Case(
        written("clip.wav", wav_header(8000, 65535, 8000) + struct.pack("<I", 8000) + bytes(8000)),
        "channels|cannot be read|neither|damaged",
    ),
    "WAV of no rate": Case(
        written("clip.wav", wav_header(0, 1, 4000) + struct.pack("<I", 4000) + bytes(4000)),
        "cannot be read|damaged|neither",
    ),
    "mkv that promises 50 s": Case(
        spoilt("clip.mkv", lambda path: overwrite(path, b"\x44\x89\x88", 3, struct.pack(">d", 5e4))), "promises 50.00 s"
    ),
    "mkv that promises for ever": Case(
        spoilt("clip.mkv", lambda path: overwrite(path, b"\x44\x89\x88", 3, struct.pack(">d", 1e300))),
        code=ACCEPTED,
    ),
    "a week between two packets": Case(forged_time, "h: up to 24"),
    "ten hours of silence, four allowed": Case(silence_bomb, "10 h: up to 4", MediaLimits(hours=4)),
    "more than may be written": Case(over, "may|allow", MediaLimits(decoded_gib=1e-5)),
    "300 streams": Case(many_streams, "300 streams: up to 256"),
    "mp4 cut": Case(spoilt("clip.mp4", partial(cut, share=0.5), noise(), "aac"), "cut short"),
    "mkv cut": Case(spoilt("clip.mkv", partial(cut, share=0.5)), "cut short"),
    "subtitles and attachments only": Case(attachments, "neither audio nor video"),
    "cover art only": Case(cover_only),
    # Limits, each just below an honest clip.
    "too long": Case(over, "h: up to", MediaLimits(hours=0.001)),
    "too large": Case(over, "GiB would be", MediaLimits(input_gib=1e-6)),
    "too many frames": Case(over, "125 frames: up to 124", MediaLimits(frames=124)),
    "too many pixels": Case(over, "2304 pixels", MediaLimits(pixels=2303)),
    "too many channels": Case(
        spoilt("clip.wav", lambda path: path, burst(8000, 2)), "2 channels", MediaLimits(channels=1)
    ),
    "too fine": Case(over, "44100 samples per second", MediaLimits(sample_rate=44_099)),
    "no memory": Case(over, "memory|cannot be examined", MediaLimits(memory_mib=64)),
    "no time": Case(over, "within 0 s|examined", MediaLimits(wall_sec=0)),
    # Text inside that is not UTF-8.
    "a title in Latin-1, WAV": Case(titled("clip.wav"), code=ACCEPTED),
    "a title in Latin-1, MP4": Case(titled("clip.m4a", "-c:a", "aac"), code=ACCEPTED),
    "a title in Latin-1, Matroska": Case(titled("clip.mka", "-c:a", "flac"), code=ACCEPTED),
    "a title in Latin-1, AVI": Case(titled("clip.avi", "-c:a", "pcm_s16le"), code=ACCEPTED),
    # Formats and codecs that are real but not wanted.
    "GIF": Case(stream_of("gif")),
    "raw H.264": Case(stream_of("h264", "-c:v", "libx264")),
    "a codec with a hole in its decoder": Case(magicyuv, "", code=ACCEPTED),
}

"""Damaged files are refused with one clear sentence; recordings that merely look damaged are not."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from decoding import assert_heard_at, decoded, refusal
from media_samples import (
    BURST,
    FFMPEG,
    burst,
    bytes_of,
    clip,
    cut,
    ffmpeg,
    noise,
    overwrite,
    spoil,
)

from tasks.engine.core.errors import MediaError

SRT = "1\n00:00:00,500 --> 00:00:03,000\nhello\n"


@pytest.mark.parametrize(
    ("suffix", "codec"), [(".ts", "aac"), (".ts", "ac3"), (".ts", "libmp3lame"), (".mpg", "mp2"), (".mpg", "ac3")]
)
def test_recording_cut_by_the_receiver(tmp_path: Path, suffix: str, codec: str) -> None:
    """A transport stream, and a programme stream, may begin and end anywhere: that is how broadcasts are recorded."""
    whole = clip(tmp_path / f"whole{suffix}", noise(), codec, "25", "-g", "12").read_bytes()
    for start, end in ((20_001, 10_007), (5_000, 6_001), (33_333, 9_003), (0, 50_021)):
        video = bytes_of(tmp_path / f"clip{suffix}", whole[start:-end])
        media, samples = decoded(video, tmp_path)
        assert media.audio
        assert 40 < media.grid.count < 125
        assert media.audio.duration_sec > 1
        assert samples.duration_sec == pytest.approx(media.audio.start_offset_sec + media.audio.duration_sec, abs=0.1)


def test_a_picture_without_a_key_frame_is_refused(tmp_path: Path) -> None:
    """A decoder shows none of it: there is nothing to give a row to, and the sentence says so."""
    whole = clip(tmp_path / "whole.ts", noise(), "aac").read_bytes()
    video = bytes_of(tmp_path / "clip.ts", whole[20_001:])

    with pytest.raises(MediaError, match="no frame can be decoded"):
        decoded(video, tmp_path)


def test_piped_files_are_accepted(tmp_path: Path) -> None:
    """Programs that write to a pipe cannot fill in sizes and durations; what they wrote is whole all the same."""
    for suffix, form in ((".wav", "wav"), (".mkv", "matroska")):
        source = clip(tmp_path / f"whole{suffix}", burst(), "pcm_s16le")
        piped = tmp_path / f"clip{suffix}"
        with piped.open("wb") as file:
            subprocess.run(
                [FFMPEG, "-v", "error", "-i", source, "-c", "copy", "-f", form, "-"], stdout=file, check=True
            )
        _, samples = decoded(piped, tmp_path)
        assert samples.count == 80000


def test_recording_with_bad_reception(tmp_path: Path) -> None:
    """A packet lost in the picture alone does not spoil the sound."""
    video = clip(tmp_path / "clip.ts", burst(), "aac")
    content = bytearray(video.read_bytes())
    with av.open(str(video)) as container:
        (pid,) = (stream.id for stream in container.streams.video)
    of_picture = [
        at for at in range(0, len(content), 188) if int.from_bytes(content[at + 1 : at + 3], "big") & 0x1FFF == pid
    ]
    del content[of_picture[40] : of_picture[40] + 188]
    media, samples = decoded(bytes_of(video, bytes(content)), tmp_path)
    assert media.corrupt_packets > 0
    assert_heard_at(media, samples, *BURST)


def text(path: Path) -> Path:
    """A text that claims to be a video."""
    path.write_text("not a video\n" * 100)
    return path


def playlist(path: Path) -> Path:
    """A list of other files that bears a video's name."""
    other = clip(path.parent / "other.mkv")
    path.write_text(f"ffconcat version 1.0\nfile {other.name}\n")
    return path


def subtitles(path: Path) -> Path:
    """A container without audio and video."""
    path.with_suffix(".srt").write_text(SRT)
    ffmpeg("-i", path.with_suffix(".srt"), path)
    return path


def not_finite(path: Path) -> Path:
    """A float recording with one NaN in it."""
    samples = np.zeros(48000, dtype="<f4")
    samples[24000] = np.nan
    raw = bytes_of(path.with_suffix(".raw"), samples.tobytes())
    ffmpeg("-f", "f32le", "-ar", "16000", "-ac", "1", "-i", raw, "-c:a", "pcm_f32le", path)
    return path


FRONT = ("-movflags", "+faststart")

FRAGMENTS = ("-movflags", "+frag_keyframe+empty_moov", "-frag_duration", "500000")

DAMAGED: dict[str, tuple[Callable[[Path], Path], str, str]] = {
    # name: how to make it, the file's suffix, a part of the message
    "empty": (lambda path: bytes_of(path, b""), ".mp4", "0 bytes"),
    "text": (text, ".mp4", "cannot be read as media"),
    "random": (lambda path: bytes_of(path, np.random.default_rng(0).bytes(9999)), ".mp4", "cannot be read as media"),
    "playlist": (playlist, ".mp4", "cannot be read as media"),
    "mp4 cut, moov in front": (lambda path: cut(clip(path, noise(), "aac", "25", *FRONT), 0.6), ".mp4", "cut short"),
    "mp4 cut near its end": (lambda path: cut(clip(path, noise(), "aac", "25", *FRONT), 0.97), ".mp4", "cut short"),
    "mp4 cut, moov at end": (lambda path: cut(clip(path, noise(), "aac"), 0.6), ".mp4", "cut short"),
    "mp4 cut, fragments": (lambda path: cut(clip(path, noise(), "aac", "25", *FRAGMENTS), 0.6), ".mp4", "cut short"),
    "mkv cut": (lambda path: cut(clip(path), 0.6), ".mkv", "cut short"),
    "mkv cut near its end": (lambda path: cut(clip(path), 0.98), ".mkv", "cut short"),
    "webm cut": (lambda path: cut(clip(path, None, "libvorbis"), 0.6), ".webm", "cut short"),
    "avi cut": (lambda path: cut(clip(path), 0.6), ".avi", "cut short"),
    "flv cut": (lambda path: cut(clip(path), 0.6), ".flv", "cut short"),
    "wav cut": (lambda path: cut(clip(path), 0.6), ".wav", "cut short"),
    "flac cut": (lambda path: cut(clip(path), 0.6), ".flac", "cut short"),
    # Matroska's Duration: id 4489, size 8, a float64; MP4's stts: version, one entry, then the number of samples.
    "mkv promises 50 s": (
        lambda path: overwrite(clip(path), b"\x44\x89\x88", 3, np.array(5e4, ">f8").tobytes()),
        ".mkv",
        "promises 50.00 s",
    ),
    "mp4 promises 9000 samples": (
        lambda path: overwrite(clip(path), b"stsz", 12, (9000).to_bytes(4, "big")), ".mp4", "promises",
    ),
    "avi promises 999 frames": (
        lambda path: overwrite(clip(path), b"strh", 8 + 32, (999).to_bytes(4, "little")), ".avi", "promises",
    ),
    "wav promises more bytes": (
        lambda path: overwrite(clip(path), b"RIFF", 4, (999_999).to_bytes(4, "little")), ".wav", "cut short",
    ),
    "subtitles only": (subtitles, ".mkv", "neither audio nor video"),
    "NaN": (not_finite, ".wav", "NaN or infinity"),
    "aac in mp4": (lambda path: spoil(clip(path, noise(), "aac")), ".mp4", "damaged"),
    "mp3 in mp4": (lambda path: spoil(clip(path, noise(), "libmp3lame")), ".mp4", "damaged"),
    "ac3 in mp4": (lambda path: spoil(clip(path, noise(), "ac3")), ".mp4", "damaged"),
    "alac in mp4": (lambda path: spoil(clip(path, noise(), "alac")), ".mp4", "damaged"),
    "flac in mp4": (lambda path: spoil(clip(path, noise(), "flac")), ".mp4", "damaged"),
    "opus in mp4": (lambda path: spoil(clip(path, noise(48000), "libopus")), ".mp4", "damaged"),
    "aac in mkv": (lambda path: spoil(clip(path, noise(), "aac")), ".mkv", "damaged"),
    "opus in mkv": (lambda path: spoil(clip(path, noise(48000), "libopus")), ".mkv", "damaged"),
    "vorbis in mkv": (lambda path: spoil(clip(path, noise(), "libvorbis")), ".mkv", "damaged"),
    "eac3 in mkv": (lambda path: spoil(clip(path, noise(), "eac3")), ".mkv", "damaged"),
    "aac in avi": (lambda path: spoil(clip(path, noise(), "aac")), ".avi", "damaged"),
    "aac in flv": (lambda path: spoil(clip(path, noise(), "aac")), ".flv", "damaged"),
    "aac in ts": (lambda path: spoil(clip(path, noise(), "aac")), ".ts", "damaged"),
    "ac3 in ts": (lambda path: spoil(clip(path, noise(), "ac3")), ".ts", "damaged"),
    "vorbis in ogg": (lambda path: spoil(clip(path, noise(), "libvorbis")), ".oga", "damaged"),
    "mp2 in mpg": (lambda path: spoil(clip(path, noise(), "mp2")), ".mpg", "damaged"),
    "ac3 in mpg": (lambda path: spoil(clip(path, noise(), "ac3")), ".mpg", "damaged"),
    "mp3": (lambda path: spoil(clip(path, noise())), ".mp3", "damaged"),
    "flac": (lambda path: spoil(clip(path, noise())), ".flac", "damaged"),
}  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_files_are_refused(tmp_path: Path, kind: str) -> None:
    """Whatever is wrong with a file, one sentence names it and says what was found, and nothing is left behind."""
    make, suffix, found = DAMAGED[kind]
    assert found in refusal(make(tmp_path / f"clip{suffix}"), tmp_path / "out")


def test_two_recordings_in_one(tmp_path: Path) -> None:
    """Timestamps that start again would put two sounds at one time: such a file is refused, not guessed at."""
    one = clip(tmp_path / "one.ts").read_bytes()
    assert "jump back" in refusal(bytes_of(tmp_path / "twice.ts", one + one), tmp_path / "out")

"""Decoding: mono samples at the right times, and no trust in what ffmpeg says of itself."""

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from decoding import assert_heard_at, decoded, decoded_to, examined
from media_samples import (
    BURST,
    FFMPEG,
    FakeRunner,
    burst,
    bytes_of,
    clip,
    decoded_times,
    ffmpeg,
    heard,
    picture,
)

from tasks.engine.core.errors import MediaError, StorageError
from tasks.engine.system import sandbox
from tasks.engine.system.sandbox import Bounds


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (44100, 2), (48000, 6)])
def test_any_layout_becomes_mono(tmp_path: Path, rate: int, channels: int) -> None:
    """Every rate and layout ends as 16 kHz mono at the level of its channels: averaged, not summed, never clipped."""
    video = clip(tmp_path / "clip.mkv", burst(rate, channels), "pcm_f32le")
    media, samples = decoded(video, tmp_path)
    assert media.audio is not None
    assert (media.audio.sample_rate, media.audio.channels) == (rate, channels)
    assert samples.sample_rate == 16000
    assert_heard_at(media, samples, *BURST)
    assert np.sqrt(np.mean(samples.load()[33000:39000] ** 2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.01)


def test_quiet_sound_stays_float(tmp_path: Path) -> None:
    """A sound below the smallest 16-bit step is still there: nothing on the way is an integer."""
    video = clip(tmp_path / "clip.mkv", None, "pcm_f32le", "25", "-af", "volume=1e-6")
    _, samples = decoded(video, tmp_path)
    assert samples.load().max() == pytest.approx(0.5e-6, rel=0.01)


@pytest.mark.parametrize("seconds", [3, 8])
def test_sound_shorter_or_longer_than_picture(tmp_path: Path, seconds: int) -> None:
    """The picture alone decides the rows; the sound keeps its own length."""
    video = clip(tmp_path / "clip.mp4", burst(seconds=seconds))
    media, samples = decoded(video, tmp_path)
    assert media.grid.count == len(decoded_times(video)) == 125
    assert samples.count / 16000 == pytest.approx(seconds, abs=0.1)
    assert_heard_at(media, samples, *BURST)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".flv"])
@pytest.mark.parametrize("shift", [0.72, -0.72])
def test_sound_starts_late_or_early(tmp_path: Path, suffix: str, shift: float) -> None:
    """Sample 0 is heard as the first frame shows: late sound is preceded by silence, early sound loses its start."""
    late = ["-itsoffset", str(abs(shift))]
    inputs = [*picture(), *late, *burst()] if shift > 0 else [*late, *picture(), *burst()]
    ffmpeg(*inputs, *(("-c:v", "flv") if suffix == ".flv" else ()), tmp_path / f"clip{suffix}")
    media, samples = decoded(tmp_path / f"clip{suffix}", tmp_path)
    assert media.audio is not None
    assert media.audio.start_offset_sec == pytest.approx(shift, abs=0.05)
    assert media.grid.count == 125
    assert_heard_at(media, samples, BURST[0] + shift, BURST[1] + shift)


@pytest.mark.parametrize(
    ("suffix", "picture_codec", "codec"),
    [
        (".mkv", "libx264", "pcm_s16le"),
        (".mpg", "mpeg1video", "mp2"),
        (".vob", "mpeg2video", "ac3"),
        (".ts", "mpeg2video", "mp2"),
        (".flv", "flv", "mp3"),
    ],
)
def test_holes_in_the_sound_are_silence(tmp_path: Path, suffix: str, picture_codec: str, codec: str) -> None:
    """Sound missing between two packets does not pull what follows towards the start, and is no damage by itself."""
    hole = ("-bsf:a", "noise=drop=gt(pts*tb\\,0.8)*lt(pts*tb\\,1.6)")
    video = tmp_path / f"clip{suffix}"
    ffmpeg(*picture(), *burst(), "-c:v", picture_codec, "-c:a", codec, *hole, video)
    media, samples = decoded(video, tmp_path)
    assert media.audio is not None
    assert media.audio.largest_gap_sec == pytest.approx(0.8, abs=0.1)
    assert_heard_at(media, samples, *BURST)


@pytest.mark.parametrize("binary", sorted({FFMPEG, shutil.which("ffmpeg") or FFMPEG}))
def test_same_file_same_samples(tmp_path: Path, binary: str) -> None:
    """Decoding twice gives the same bytes, and the checksums are those of the files; so with every ffmpeg there is."""
    media = examined(clip(tmp_path / "clip.mkv", burst(44100, 2), "libvorbis"))
    assert media.sha256 == hashlib.sha256(media.path.read_bytes()).hexdigest()
    assert media.size == media.path.stat().st_size

    def runner(arguments: list[str], bounds: Bounds, stdout: Any) -> "subprocess.CompletedProcess[bytes]":
        return sandbox.run([binary, *arguments[1:]], bounds, stdout)

    one, two = (decoded_to(media, tmp_path / name, runner) for name in ("one.f32", "two.f32"))
    assert one.sha256 == two.sha256 == hashlib.sha256(one.path.read_bytes()).hexdigest()
    assert one.load().dtype == np.dtype("<f4")
    assert one.load().shape == (one.count,)
    assert not one.load().flags.writeable


@pytest.mark.parametrize(
    ("runner", "found"),
    [
        (FakeRunner(bytes(4 * 40000)), "2.50 s could be decoded where the container holds 5.00 s"),
        (FakeRunner(bytes(4 * 160000)), "10.00 s could be decoded"),
        (FakeRunner(bytes(4 * 80000), returncode=-11), "ended with -11"),
        (FakeRunner(bytes(4 * 80000), returncode=69, stderr=b"[aist#0:1 @ 0x5] bad packet\n"), "bad packet"),
        (FakeRunner(b"", raises=subprocess.TimeoutExpired), "was not decoded within 1800 s"),
    ],
)
def test_ffmpeg_is_not_trusted(tmp_path: Path, runner: FakeRunner, found: str) -> None:
    """Exit code 0 with too little or too much sound, a crash, a hang: each is a refusal that leaves nothing behind."""
    media = examined(clip(tmp_path / "clip.mp4"))
    destination = tmp_path / "out" / "samples.f32"
    destination.parent.mkdir()
    with pytest.raises(MediaError, match=found):
        decoded_to(media, destination, runner)
    assert not list(destination.parent.iterdir())


def test_a_full_disk_is_named_by_the_folder_that_lies_on_it(tmp_path: Path) -> None:
    """Which of a machine's disks is full is what an operator has to know, in the system's own words."""
    media = examined(clip(tmp_path / "clip.mp4"))
    full = FakeRunner(
        b"", returncode=228, stderr=b"[out#0/f32le @ 0x5] Error muxing a packet: No space left on device\n"
    )
    with pytest.raises(StorageError) as caught:
        decoded_to(media, tmp_path / "samples.f32", full)

    assert f"does not fit into {tmp_path}: No space left on device" in str(caught.value)


def test_failure_keeps_the_older_samples(tmp_path: Path) -> None:
    """Samples from an earlier run are replaced by whole ones or not at all."""
    media, samples = decoded(clip(tmp_path / "clip.mp4"), tmp_path)
    before = samples.path.read_bytes()
    with pytest.raises(MediaError):
        decoded_to(media, samples.path, FakeRunner(bytes(4)))
    assert samples.path.read_bytes() == before


@pytest.mark.parametrize("options", [(), ("-write_xing", "0"), ("-id3v2_version", "0"), ("-write_id3v1", "1")])
def test_recordings_joined_to_one_mp3(tmp_path: Path, options: tuple[str, ...]) -> None:
    """Where podcasts get their advertisements and dictating machines join parts: tags in the middle are no damage."""
    ffmpeg(*burst(seconds=3), *options, tmp_path / "one.mp3")
    video = bytes_of(tmp_path / "clip.mp3", (tmp_path / "one.mp3").read_bytes() * 4)
    media, samples = decoded(video, tmp_path)

    assert samples.duration_sec == pytest.approx(12, abs=0.5)
    assert media.duration_sec == pytest.approx(samples.duration_sec, abs=0.3)
    assert heard(samples.load())[1] == pytest.approx(11.5, abs=0.4)


def test_a_flac_file_with_a_tag_of_mp3(tmp_path: Path) -> None:
    """What some programs append to any music is no damage; other bytes are."""
    content = clip(tmp_path / "one.flac", burst(), "flac").read_bytes()
    _, samples = decoded(bytes_of(tmp_path / "clip.flac", content + b"TAG" + b" " * 125), tmp_path)
    assert samples.count == 80000
    with pytest.raises(MediaError, match="damaged"):
        decoded(bytes_of(tmp_path / "junk.flac", content + b"JUNK" * 32), tmp_path)


def glued(path: Path, first: list[str], second: list[str]) -> Path:
    """A transport stream whose sound changes after 2 s: a tone from 1 to 1.5 s and one from 3 to 3.5 s."""
    for number, options in enumerate((first, second)):
        sound = burst(48000, seconds=2, at=(1.0, 1.5))
        offset = ("-output_ts_offset", str(2 * number), "-muxdelay", "0")
        ffmpeg(*picture(seconds=2), *sound, "-c:v", "mpeg2video", *options, *offset, path.with_suffix(f".{number}"))
    return bytes_of(path.with_suffix(".ts"), b"".join(path.with_suffix(f".{n}").read_bytes() for n in (0, 1)))


CENTRE = ["-af", "pan=5.1|FC=c0", "-f", "mpegts"]
STEREO = ["-af", "pan=stereo|c0=c0|c1=c0", "-f", "mpegts"]
CHANGES = {
    "ac3, 5.1 to stereo": (["-c:a", "ac3", *CENTRE], ["-c:a", "ac3", *STEREO]),
    "ac3, stereo to 5.1": (["-c:a", "ac3", *STEREO], ["-c:a", "ac3", *CENTRE]),
    "eac3, 5.1 to stereo": (["-c:a", "eac3", *CENTRE], ["-c:a", "eac3", *STEREO]),
    "aac, mono to stereo": (["-c:a", "aac", "-f", "mpegts"], ["-c:a", "aac", *STEREO]),
    "mp2, 48 to 32 kHz": (["-c:a", "mp2", "-f", "mpegts"], ["-c:a", "mp2", "-ar", "32000", "-f", "mpegts"]),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_layout_or_rate_changes_within_the_file(tmp_path: Path, kind: str) -> None:
    """Broadcasts change between film and adverts: every part stays at its time, and the whole as long as it is."""
    media, samples = decoded(glued(tmp_path / "clip", *CHANGES[kind]), tmp_path)
    assert samples.duration_sec == pytest.approx(4, abs=0.1)
    sound = samples.load()
    for start in (1.0, 3.0):
        first, last = heard(sound[int((start - 0.9) * 16000) : int((start + 0.9) * 16000)])
        assert first + start - 0.9 == pytest.approx(start, abs=0.045)
        assert last + start - 0.9 == pytest.approx(start + 0.5, abs=0.045)
    assert media.audio
    assert not samples.notes


OPPOSITE = "pan=stereo|c0=c0|c1=-1*c0"
CANCELLING = {
    "stereo": OPPOSITE,
    "stereo, unequal": "pan=stereo|c0=c0|c1=-0.9*c0",
    "5.1, front": "pan=5.1|FL=c0|FR=-1*c0",
    "5.1, surround": "pan=5.1|BL=c0|BR=-1*c0",
    "quad": "pan=quad|FL=c0|FR=-1*c0",
}
LIVE = {
    "stereo, in phase": ("pan=stereo|c0=c0|c1=c0", 1.0),
    "stereo, right alone": ("pan=stereo|c1=c0", 0.5),
    "5.1, centre alone": ("pan=5.1|FC=c0", 0.2929),
    "7.1, centre alone": ("pan=7.1|FC=c0", 0.2265),
    "5.1, low frequencies alone": ("pan=5.1|LFE=c0", 0.0),
}


@pytest.mark.parametrize("codec", ["flac", "aac"])
@pytest.mark.parametrize("layout", CANCELLING)
def test_opposite_channels_are_heard(tmp_path: Path, layout: str, codec: str) -> None:
    """A voice in two channels with exchanged poles does not average to nothing, and that is said."""
    video = clip(tmp_path / "clip.mkv", None, codec, "25", "-af", CANCELLING[layout])
    media, samples = decoded(video, tmp_path)
    assert_heard_at(media, samples, *BURST)
    assert "opposite" in samples.notes[0]


@pytest.mark.parametrize("layout", LIVE)
def test_other_channels_are_averaged_as_ever(tmp_path: Path, layout: str) -> None:
    """Weights of every layout, by which one live channel stays what it was; low frequencies alone are no speech."""
    pan, level = LIVE[layout]
    _, samples = decoded(clip(tmp_path / "clip.mkv", None, "pcm_f32le", "25", "-af", pan), tmp_path)
    assert samples.load()[33000:39000].max() == pytest.approx(0.5 * level, abs=0.002)
    assert not samples.notes


def test_what_is_kept_shut_is_no_reason(tmp_path: Path) -> None:
    """A complaint of the picture's decoder, which is shut on purpose, does not explain why the sound failed."""
    media = examined(clip(tmp_path / "clip.mkv"))
    shut = b"[mpeg4 @ 0x1] Codec (mpeg4) not on whitelist 'aac,flac'"
    for said, reason in ((shut, "no message"), (b"broken sound\n" + shut, "broken sound")):
        with pytest.raises(MediaError, match=f"ffmpeg ended with 1: {reason}"):
            decoded_to(media, tmp_path / "samples.f32", FakeRunner(returncode=1, stderr=said))

"""Probing and decoding: exact frames, sound at the right frames, and one clear refusal for what is damaged."""

import hashlib
import shutil
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from media_samples import (
    BURST,
    FFMPEG,
    FakeRunner,
    burst,
    clip,
    cut,
    decoded_times,
    ffmpeg,
    heard,
    noise,
    overwrite,
    picture,
    spoil,
)

from tasks.engine.core.errors import MediaError
from tasks.engine.system import sandbox
from tasks.engine.system.sandbox import Bounds
from tasks.media import Media, Samples, extract, listen, listen_task, probe, probe_task

SRT = "1\n00:00:00,500 --> 00:00:03,000\nhello\n"


def decoded(video: Path, folder: Path) -> tuple[Media, Samples]:
    """Probe and extract."""
    media = probe(video)
    return media, extract(media, folder / "samples.f32")


def assert_heard_at(media: Media, samples: Samples, start: float, end: float) -> None:
    """The burst lies at these seconds and in the right frames, within one frame."""
    frame = float(1 / media.grid.fps)
    first, last = heard(samples.load())
    assert abs(first - start) <= frame, first
    assert abs(last - end) <= frame, last
    centres = media.grid.centres()
    expected = np.searchsorted(centres, (start, end))
    assert np.all(np.abs(np.searchsorted(centres, (first, last)) - expected) <= 1)


def refusal(video: Path, folder: Path) -> str:
    """The message of the refusal, which leaves nothing behind; probing or extracting may refuse."""
    folder.mkdir()
    with pytest.raises(MediaError) as caught:
        decoded(video, folder)
    assert not list(folder.iterdir())
    message = str(caught.value)
    assert repr(video.name)[1:-1] in message
    assert "\n" not in message
    assert caught.value.exit_code == 4
    return message


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize("rate", ["25", "24000/1001", "30000/1001", "50"])
def test_constant_rate(tmp_path: Path, rate: str, suffix: str) -> None:
    """One row per decoded frame, at the exact rate, though Matroska rounds times to 1 ms; the burst in its frames."""
    video = clip(tmp_path / f"clip{suffix}", rate=rate)
    media, samples = decoded(video, tmp_path)
    assert media.grid.fps == Fraction(rate)
    assert not media.variable_frame_rate
    assert not media.fps_assumed
    assert media.grid.count == len(decoded_times(video))
    assert_heard_at(media, samples, *BURST)


@pytest.mark.parametrize("suffix", [".mp4", ".ts"])
def test_rounding_survives_a_remux(tmp_path: Path, suffix: str) -> None:
    """Times that Matroska rounded are still a constant rate after copying into a container with a finer clock."""
    rounded = clip(tmp_path / "clip.mkv", rate="30000/1001")
    ffmpeg("-i", rounded, "-c", "copy", tmp_path / f"copy{suffix}")
    grid = probe(tmp_path / f"copy{suffix}").grid
    assert (grid.fps, grid.pts) == (Fraction(30000, 1001), None)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_variable_rate(tmp_path: Path, suffix: str) -> None:
    """Where frames are missing, each frame keeps its own time, and the burst lies in the frames shown during it."""
    gaps = ("-vf", "select='lt(n,20)+between(n,35,60)+gt(n,75)'", "-fps_mode", "vfr")
    video = clip(tmp_path / f"clip{suffix}", None, "", "25", *gaps)
    media, samples = decoded(video, tmp_path)
    assert media.variable_frame_rate
    assert media.grid.pts is not None
    np.testing.assert_allclose(media.grid.pts, decoded_times(video), atol=1e-3)
    assert media.duration_sec == pytest.approx(5.0, abs=0.1)
    assert_heard_at(media, samples, *BURST)


def test_hidden_and_trimmed_frames(tmp_path: Path) -> None:
    """Reference pictures that are never shown and frames before an edit list's start are no rows."""
    for turn in ("1", "2"):
        encoder = ("-c:v", "libvpx", "-b:v", "60k", "-auto-alt-ref", "1", "-lag-in-frames", "25", "-pass", turn)
        ffmpeg(*picture(), *encoder, "-passlogfile", tmp_path / "log", tmp_path / "hidden.webm")
    ffmpeg("-ss", "2", "-i", clip(tmp_path / "clip.mp4"), "-c", "copy", tmp_path / "trimmed.mp4")
    for name in ("hidden.webm", "trimmed.mp4"):
        assert probe(tmp_path / name).grid.count == len(decoded_times(tmp_path / name)), name


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


@pytest.mark.parametrize("default", [0, 1])
def test_two_tracks(tmp_path: Path, default: int) -> None:
    """Of two audio tracks the one marked as default is analysed, and which one it was is recorded."""
    tracks = [*picture(), *burst(at=(1.0, 1.5)), *burst(at=(3.0, 3.5))]
    marks = ["-disposition:a:0", "0", "-disposition:a:1", "0", f"-disposition:a:{default}", "default"]
    ffmpeg(*tracks, "-map", "0", "-map", "1", "-map", "2", *marks, tmp_path / "clip.mkv")
    media, samples = decoded(tmp_path / "clip.mkv", tmp_path)
    assert media.audio is not None
    assert media.audio.index == 1 + default
    start = (1.0, 3.0)[default]
    assert_heard_at(media, samples, start, start + 0.5)


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


def test_holes_in_the_sound_are_silence(tmp_path: Path) -> None:
    """Sound missing between two packets does not pull what follows towards the start, and is no damage by itself."""
    hole = ("-bsf:a", "noise=drop=gt(pts\\,800)*lt(pts\\,1600)")
    ffmpeg("-i", clip(tmp_path / "whole.mkv", None, "pcm_s16le"), "-c", "copy", *hole, tmp_path / "clip.mkv")
    media, samples = decoded(tmp_path / "clip.mkv", tmp_path)
    assert media.audio is not None
    assert media.audio.largest_gap_sec == pytest.approx(0.8, abs=0.1)
    assert_heard_at(media, samples, *BURST)


HEALTHY = {
    ".mp4": ("aac", "libmp3lame", "ac3", "eac3", "libopus", "flac", "alac", "pcm_s16le"),
    ".mov": ("aac", "alac", "pcm_s16le", "pcm_s24le", "pcm_f32le"),
    ".mkv": (
        *("aac", "libmp3lame", "ac3", "eac3", "libopus", "libvorbis", "flac"),
        *("alac", "pcm_s24le", "pcm_f32le"),
    ),
    ".webm": ("libopus", "libvorbis"),
    ".avi": ("aac", "libmp3lame", "ac3", "flac", "pcm_s16le"),
    ".ts": ("aac", "libmp3lame", "ac3", "eac3", "libopus"),
    ".flv": ("aac", "libmp3lame", "pcm_s16le"),
    ".ogg": ("libvorbis", "flac"),
    ".mp3": ("libmp3lame",),
    ".m4a": ("aac", "alac"),
    ".flac": ("flac",),
    ".wav": ("pcm_s16le", "pcm_s24le", "pcm_f32le"),
    ".opus": ("libopus",),
    ".aac": ("aac",),
}


@pytest.mark.parametrize(("suffix", "codec"), [(suffix, codec) for suffix in HEALTHY for codec in HEALTHY[suffix]])
def test_healthy_files_are_accepted(tmp_path: Path, suffix: str, codec: str) -> None:
    """Every container and codec in use passes every check, with all its frames and with its burst in the right ones."""
    sound = burst(48000 if "opus" in codec else 44100, 2)
    media, samples = decoded(clip(tmp_path / f"clip{suffix}", sound, codec), tmp_path)
    assert media.grid.count in ((125, 126) if media.fps_assumed else (125,))
    assert_heard_at(media, samples, *BURST)


@pytest.mark.parametrize("codec", ["aac", "ac3", "libmp3lame"])
def test_recording_cut_by_the_receiver(tmp_path: Path, codec: str) -> None:
    """A transport stream may begin and end anywhere: that is how broadcasts are recorded."""
    whole = clip(tmp_path / "whole.ts", noise(), codec).read_bytes()
    for start, end in ((20_001, 10_007), (5_000, 6_001), (33_333, 9_003), (0, 50_021)):
        video = bytes_of(tmp_path / "clip.ts", whole[start:-end])
        media, samples = decoded(video, tmp_path)
        assert 40 < media.grid.count < 125
        assert samples.duration_sec == pytest.approx(media.duration_sec, abs=0.6)


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


def test_audio_only(tmp_path: Path) -> None:
    """Sound without picture gets 25 rows a second, rounded up, and says that the rate is assumed."""
    media = probe(clip(tmp_path / "clip.wav", burst(seconds=4.99)))
    assert (media.grid.count, media.grid.fps, media.fps_assumed) == (125, 25, True)
    exact = probe(clip(tmp_path / "exact.wav", burst(seconds=4)))
    assert exact.grid.count == 100


def test_cover_art_is_no_video(tmp_path: Path) -> None:
    """A picture attached to a piece of music is not its video."""
    ffmpeg(*picture(), "-frames:v", "1", tmp_path / "cover.png")
    song = clip(tmp_path / "song.m4a", burst(), "aac")
    ffmpeg("-i", song, "-i", tmp_path / "cover.png", "-map", "0", "-map", "1",
           "-c", "copy", "-disposition:v", "attached_pic", tmp_path / "covered.m4a")  # fmt: skip
    media = probe(tmp_path / "covered.m4a")
    assert media.fps_assumed
    assert media.grid.count == 125


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("sound", [None, "empty"])
def test_no_sound(tmp_path: Path, suffix: str, sound: str | None) -> None:
    """A video without audio stream, or with one that has no packets, has no audio; extracting says so."""
    none = ["-an"] if sound is None else ["-af", "aselect=0"]
    video = clip(tmp_path / f"clip{suffix}", None, "", "25", *none)
    media = probe(video)
    assert media.audio is None
    assert media.grid.count == 125
    assert "no audio" in refusal(video, tmp_path / "out")


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


@pytest.mark.parametrize(
    "name", ["-dash.mkv", "a:b.mkv", "new\nline.mkv", "two  spaces.mkv", "été 'n\" %d.mkv", "http:x"]
)
def test_any_name(tmp_path: Path, name: str) -> None:
    """A file's name is data: no part of it is read as an option, a protocol, a pattern or shell text."""
    source = clip(tmp_path / "source.mkv")
    media, samples = decoded(source.rename(tmp_path / name), tmp_path)
    assert media.path.name == name
    assert samples.count > 0


@pytest.mark.parametrize("binary", sorted({FFMPEG, shutil.which("ffmpeg") or FFMPEG}))
def test_same_file_same_samples(tmp_path: Path, binary: str) -> None:
    """Decoding twice gives the same bytes, and the checksums are those of the files; so with every ffmpeg there is."""
    media = probe(clip(tmp_path / "clip.mkv", burst(44100, 2), "libvorbis"))
    assert media.sha256 == hashlib.sha256(media.path.read_bytes()).hexdigest()
    assert media.size == media.path.stat().st_size

    def runner(arguments: list[str], bounds: Bounds) -> "subprocess.CompletedProcess[bytes]":
        return sandbox.run([binary, *arguments[1:]], bounds)

    one, two = (extract(media, tmp_path / name, runner) for name in ("one.f32", "two.f32"))
    assert one.sha256 == two.sha256 == hashlib.sha256(one.path.read_bytes()).hexdigest()
    assert one.load().dtype == np.dtype("<f4")
    assert one.load().shape == (one.count,)
    assert not one.load().flags.writeable


def text(path: Path) -> Path:
    """A text that claims to be a video."""
    path.write_text("not a video\n" * 100)
    return path


def bytes_of(path: Path, content: bytes) -> Path:
    """A file of just these bytes."""
    path.write_bytes(content)
    return path


def folder_of(path: Path) -> Path:
    """A folder that bears a video's name."""
    path.mkdir()
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
    "missing": (lambda path: path, ".mp4", "does not exist"),
    "folder": (folder_of, ".mp4", "is a folder"),
    "empty": (lambda path: bytes_of(path, b""), ".mp4", "0 bytes"),
    "text": (text, ".mp4", "cannot be read as media"),
    "random": (lambda path: bytes_of(path, np.random.default_rng(0).bytes(9999)), ".mp4", "cannot be read as media"),
    "playlist": (playlist, ".mp4", "cannot be read as media"),
    "mp4 cut, moov in front": (lambda path: cut(clip(path, noise(), "aac", "25", *FRONT), 0.6), ".mp4", "index lists"),
    "mp4 cut near its end": (lambda path: cut(clip(path, noise(), "aac", "25", *FRONT), 0.97), ".mp4", "index lists"),
    "mp4 cut, moov at end": (lambda path: cut(clip(path, noise(), "aac"), 0.6), ".mp4", "cannot be read as media"),
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
    media = probe(clip(tmp_path / "clip.mp4"))
    destination = tmp_path / "out" / "samples.f32"
    destination.parent.mkdir()
    with pytest.raises(MediaError, match=found):
        extract(media, destination, runner)
    assert not list(destination.parent.iterdir())


def test_failure_keeps_the_older_samples(tmp_path: Path) -> None:
    """Samples from an earlier run are replaced by whole ones or not at all."""
    media, samples = decoded(clip(tmp_path / "clip.mp4"), tmp_path)
    before = samples.path.read_bytes()
    with pytest.raises(MediaError):
        extract(media, samples.path, FakeRunner(bytes(4)))
    assert samples.path.read_bytes() == before


def test_tasks_are_the_functions() -> None:
    """The Prefect tasks add nothing to the plain functions."""
    assert probe_task.function is probe
    assert listen_task.function is listen


def test_listening_gives_nothing_where_there_is_nothing_to_hear(tmp_path: Path) -> None:
    """No audio stream: None, and no file; with one: the samples."""
    ffmpeg(*picture(), tmp_path / "mute.mp4")
    loud = clip(tmp_path / "loud.mp4")

    assert listen(probe(tmp_path / "mute.mp4"), tmp_path / "mute.f32") is None
    assert not (tmp_path / "mute.f32").exists()
    assert listen(probe(loud), tmp_path / "loud.f32").count > 0

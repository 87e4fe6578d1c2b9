"""Where a file's structure says that it ends, and what becomes of a recording that was killed."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from decoding import examined
from media_samples import FFMPEG, bytes_of, clip, cut, ffmpeg, noise, picture, spoil

from tasks.engine.core.errors import MediaError
from tasks.engine.media.truncation import declared_size
from tasks.media import listen


def live(path: Path, picture_codec: str, codec: str) -> Path:
    """A recording whose clusters have sizes and whose whole has none."""
    form = "webm" if path.suffix == ".webm" else "matroska"
    ffmpeg(*picture(), *noise(), "-c:v", picture_codec, "-c:a", codec, "-f", form, "-live", "1", path)
    return path


def sound(path: Path, codec: str) -> Path:
    """Noise alone."""
    ffmpeg(*noise(), "-c:a", codec, path)
    return path


FRAGMENTS = ("-movflags", "+frag_keyframe+empty_moov+default_base_moof", "-frag_duration", "500000")
PAL = ("-s", "720x576", "-pix_fmt", "yuv420p")
RECORDINGS: dict[str, Callable[[Path], Path]] = {
    "fragments.mp4": lambda path: clip(path, noise(), "aac", "25", "-g", "10", *FRAGMENTS),
    "front.mp4": lambda path: clip(path, noise(), "aac", "25", "-movflags", "+faststart"),
    "live.mkv": lambda path: live(path, "libx264", "aac"),
    "live.webm": lambda path: live(path, "libvpx", "libopus"),
    "clip.mkv": lambda path: clip(path, noise(), "aac"),
    "clip.avi": lambda path: clip(path, noise(), "libmp3lame"),
    "clip.flv": lambda path: clip(path, noise(), "aac"),
    "clip.wav": lambda path: clip(path, noise(), "pcm_s16le"),
    "clip.oga": lambda path: clip(path, noise(), "libvorbis"),
    "clip.flac": lambda path: clip(path, noise(), "flac"),
    "clip.wmv": lambda path: clip(path, noise(), "wmav2", "25", "-c:v", "wmv2"),
    "clip.wma": lambda path: sound(path, "wmav2"),
    "clip.mxf": lambda path: clip(path, noise(48000), "pcm_s16le", "25", "-c:v", "mpeg2video"),
    "clip.caf": lambda path: sound(path, "pcm_s16le"),
    "clip.tta": lambda path: sound(path, "tta"),
    "clip.gxf": lambda path: clip(path, noise(48000), "pcm_s16le", "25", "-c:v", "mpeg2video", *PAL),
    "clip.rm": lambda path: clip(path, noise(48000), "ac3", "25", "-c:v", "rv10", "-s", "64x48"),
}


@pytest.mark.parametrize("name", RECORDINGS)
def test_one_rule_for_a_recording_that_was_cut(tmp_path: Path, name: str) -> None:
    """Refused, with the way on; where that was accepted, read up to where it ends, and marked."""
    video = RECORDINGS[name](tmp_path / name)
    assert declared_size(video) <= video.stat().st_size
    cut(video, 0.7)
    with pytest.raises(MediaError, match=r"cut short .*--accept-truncated would publish"):
        examined(video)

    media = examined(video, accept_truncated=True)
    samples = listen(media, tmp_path / "samples.f32")
    assert media.truncated
    assert media.notes[0].startswith(f"the recording is cut at {media.duration_sec:.2f} s: ")
    assert 2 < media.duration_sec < 4.5
    assert samples
    assert samples.duration_sec == pytest.approx(media.duration_sec, abs=0.3)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mov"])
@pytest.mark.parametrize("accept", [False, True])
def test_a_camera_s_file_without_its_index(tmp_path: Path, name: str, accept: bool) -> None:
    """Cut before the index at its end, nothing can be read: no option is recommended that would not help."""
    video = cut(clip(tmp_path / name, noise(), "aac"), 0.7)
    with pytest.raises(MediaError, match=r"cut short: .*its index \(moov\)") as caught:
        examined(video, accept_truncated=accept)
    assert "--accept-truncated" not in str(caught.value)


@pytest.mark.parametrize("accept", [False, True])
@pytest.mark.parametrize("fragment", [0, 3, 7])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_a_cut_in_the_head_of_a_fragment(tmp_path: Path, fragment: int, part: float, *, accept: bool) -> None:
    """The option is recommended where it helps, and there alone: of some heads that are cut nothing can be opened."""
    video = RECORDINGS["fragments.mp4"](tmp_path / "clip.mp4")
    content = video.read_bytes()
    at = [head.start() - 4 for head in re.finditer(b"moof", content)][fragment]
    bytes_of(video, content[: at + max(9, int(part * int.from_bytes(content[at : at + 4], "big")))])
    try:
        helped = examined(video, accept_truncated=True).truncated
    except MediaError:
        helped = False
    if accept and helped:
        return
    with pytest.raises(MediaError, match=r"cut short.*: its header says") as caught:
        examined(video, accept_truncated=accept)
    assert ("--accept-truncated" in str(caught.value)) == helped


@pytest.mark.parametrize(("share", "said"), [(0.15, "nothing is left of its sound"), (0.8, "its sound ends at ")])
def test_sound_that_ends_before_the_picture(tmp_path: Path, share: float, said: str) -> None:
    """A fragment holds the sound behind the picture: rows that were not heard are not passed off as silent ones."""
    video = clip(tmp_path / "clip.mp4", noise(), "aac", "25", "-g", "250", "-movflags", "+frag_keyframe+empty_moov")
    media = examined(cut(video, share), accept_truncated=True)

    assert said in media.notes[0]
    if media.audio:
        end = media.audio.start_offset_sec + media.audio.duration_sec
        assert f"{said}{end:.2f} s" in media.notes[0]
        assert end < media.duration_sec - 0.25


@pytest.mark.parametrize("share", [0.995, 0.999])
def test_an_index_that_is_cut_itself(tmp_path: Path, share: float) -> None:
    """Likewise."""
    video = cut(clip(tmp_path / "clip.mp4", noise(), "aac"), share)
    with pytest.raises(MediaError, match=r"cut short: .*its index \(moov\)"):
        examined(video)


@pytest.mark.parametrize("name", ["clip.aac", "clip.ac3", "clip.eac3", "clip.mp3", "clip.mp2", "clip.dv"])
@pytest.mark.parametrize("share", [0.33, 0.5, 0.67, 0.98])
def test_what_is_made_to_be_joined_anywhere(tmp_path: Path, name: str, share: float) -> None:
    """Where it ends is its end, and half a frame there no damage."""
    if name == "clip.dv":
        shape = ("-s", "720x576", "-pix_fmt", "yuv420p", "-ac", "2", "-ar", "48000")
        ffmpeg(*picture(), *noise(48000), *shape, tmp_path / name)
    else:
        ffmpeg(*noise(48000), tmp_path / name)
    media = examined(cut(tmp_path / name, share))
    samples = listen(media, tmp_path / "samples.f32")

    assert samples
    assert samples.duration_sec == pytest.approx(5 * share, abs=0.1)
    assert media.duration_sec == pytest.approx(5 * share, abs=0.1)
    assert not media.truncated


PIPED = {
    ".wmv": (*picture(), *noise(), "-c:v", "wmv2", "-f", "asf"),
    ".mxf": (*picture(), *noise(48000), "-f", "mxf"),
    ".ivf": (*picture(), "-c:v", "libvpx", "-f", "ivf"),
    ".avi": (*picture(), *noise(), "-f", "avi"),
    ".flv": (*picture(), *noise(), "-f", "flv"),
    ".nut": (*picture(), *noise(), "-f", "nut"),
    ".caf": (*noise(), "-f", "caf"),
    ".au": (*noise(), "-f", "au"),
    ".tta": (*noise(), "-f", "tta"),
    ".wv": (*noise(), "-f", "wv"),
    ".rm": (*picture(), *noise(), "-c:v", "rv10", "-s", "64x48", "-c:a", "ac3", "-f", "rm"),
}


@pytest.mark.parametrize("suffix", PIPED)
def test_what_a_pipe_could_not_fill_in(tmp_path: Path, suffix: str) -> None:
    """Sizes and durations that were never written promise nothing."""
    with (tmp_path / f"clip{suffix}").open("wb") as file:
        subprocess.run([FFMPEG, "-v", "error", *PIPED[suffix], "-"], stdout=file, check=True)
    media = examined(tmp_path / f"clip{suffix}")
    samples = listen(media, tmp_path / "samples.f32")

    assert media.grid.count == pytest.approx(125, abs=1)
    assert samples is None or samples.duration_sec == pytest.approx(5, abs=0.1)


def test_damage_in_the_middle_of_a_cut_recording_is_refused(tmp_path: Path) -> None:
    """One broken packet is the end of a cut recording; more than that is no end."""
    video = spoil(cut(clip(tmp_path / "clip.flac", noise(), "flac"), 0.7), 0.3, 30000)
    with pytest.raises(MediaError, match="damaged"):
        listen(examined(video, accept_truncated=True), tmp_path / "samples.f32")


def test_a_whole_recording_is_none_that_was_cut(tmp_path: Path) -> None:
    """Accepting those that were changes nothing of it."""
    video = live(tmp_path / "clip.mkv", "libx264", "aac")
    media = examined(video, accept_truncated=True)
    assert (media.truncated, media.notes, media.grid.count) == (False, (), 125)


GXF = b"\0\0\0\0\1\xbf"


def wav(size: int, kind: bytes = b"RIFF") -> bytes:
    """A header with that size, and 100 bytes."""
    return kind + size.to_bytes(4, "little") + b"WAVEfmt " + bytes(84)


@pytest.mark.parametrize(
    ("content", "size"),
    [
        (wav(92), 100),
        (wav(0), 8),
        (wav(5000), 5008),
        (wav(130), 100),
        (wav(0xFFFFFFFF), 0),
        (wav(0x7FFFF024), 0),
        (wav(0x80000024), 0),
        (b"FORM" + (5000).to_bytes(4, "big") + bytes(92), 5008),
        (b".snd" + (24).to_bytes(4, "big") + (5000).to_bytes(4, "big") + bytes(88), 5024),
        (b".snd" + (24).to_bytes(4, "big") + b"\xff" * 4 + bytes(88), 0),
        (b"RF64" + b"\xff" * 4 + b"WAVEds64" + (28).to_bytes(4, "little") + (9000).to_bytes(8, "little"), 9008),
        (b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0\0\0\x20moof", 48),
        (b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0\0\0\x20TAG!", 0),
        (b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0\0\0\0mdat" + bytes(99), 0),
        (b".RMF\0\0\0\x12" + bytes(10) + b"DATA\0\1\0\0" + bytes(90), 18 + 0x10000),
        (b".RMF\0\0\0\x12" + bytes(10) + b"DATA\0\0\0\x12" + bytes(90), 0),
        (b".RMF\0\0\0\x12" + bytes(10) + b"CONT\0\0\0\0" + bytes(90), 0),
        (GXF + b"\0\0\0\x40" + bytes(54) + GXF + b"\0\0\1\0" + bytes(90), 0x140),
        (GXF + b"\0\0\0\x40" + bytes(54) + b"somebody's own" + bytes(90), 0x40),
        (b"anything else", 0),
    ],
)
def test_sizes_that_files_declare(tmp_path: Path, content: bytes, size: int) -> None:
    """What programs write who cannot seek back means nothing, nor does what is appended to a file."""
    assert declared_size(bytes_of(tmp_path / "clip", content)) == size


def test_a_wav_file_from_sox_through_a_pipe(tmp_path: Path) -> None:
    """Its sizes are 2 GiB less a page: it is whole."""
    video = clip(tmp_path / "clip.wav", noise(seconds=1), "pcm_s16le")
    content = bytearray(video.read_bytes())
    content[4:8] = (0x7FFFF024).to_bytes(4, "little")
    at = content.index(b"data") + 4
    content[at : at + 4] = (0x7FFFF000).to_bytes(4, "little")
    media = examined(bytes_of(video, bytes(content)))
    samples = listen(media, tmp_path / "samples.f32")
    assert samples
    assert samples.duration_sec == pytest.approx(1, abs=0.01)
    assert not media.truncated


@pytest.mark.parametrize("share", [0.03, 0.5, 0.95, 0.98, 0.995])
@pytest.mark.parametrize("name", ["clip.mxf", "clip.wmv", "clip.caf", "clip.gxf", "clip.rm"])
def test_a_cut_is_seen_near_the_end_too(tmp_path: Path, name: str, share: float) -> None:
    """By the bytes that are missing: their seconds may be fewer than a header's rounding."""
    with pytest.raises(MediaError, match=r"cut short.*: its header says"):
        examined(cut(RECORDINGS[name](tmp_path / name), share))

"""Which audio track is analysed: the picture's own, that can be decoded, that is the programme's sound."""

from dataclasses import replace
from pathlib import Path

import pytest
from decoding import assert_heard_at, decoded, examined, refusal
from media_samples import burst, clip, ffmpeg, overwrite, picture

from tasks.engine.core.errors import MediaError, UsageError
from tasks.engine.media.containers import Media
from tasks.engine.media.tracks import AudioTrack, choose, notes_on

WRONG, RIGHT = (1.0, 1.5), (3.0, 3.5)
TRACK = AudioTrack(1, "aac", 48000, 2, 0.0, 5.0, 0.0)


def tracks(*changes: dict[str, object]) -> list[AudioTrack]:
    """One track per change, numbered from 1."""
    return [replace(TRACK, index=index, **change) for index, change in enumerate(changes, 1)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "chosen"),
    [
        (tracks({}, {}), 1),
        (tracks({}, {"marks": ("default",)}), 2),
        (tracks({"special": True, "marks": ("default",)}, {}), 2),
        (tracks({"special": True}, {"special": True, "marks": ("default",)}), 2),
        (tracks({"decodable": False, "marks": ("default",)}, {"special": True}), 2),
        (tracks({"own_programme": False, "marks": ("default",)}, {"special": True}), 2),
        (tracks({"own_programme": False}, {"decodable": False}, {}), 3),
        (tracks({"own_programme": False}), None),
        ([], None),
    ],
)
def test_the_rule(found: list[AudioTrack], chosen: int | None) -> None:
    """Of the picture's programme; decodable; no description or commentary; marked as default; first."""
    track = choose(found, None, "clip")
    assert (track and track.index) == chosen


NAMED = tracks(
    {"language": "eng", "title": "Main"},
    {"language": "fre", "title": "Principal"},
    {"language": "fre", "title": "Audiodescription", "special": True, "marks": ("default",)},
    {"language": "deu", "own_programme": False},
    {"language": "ita", "decodable": False},
)


@pytest.mark.parametrize(
    ("asked", "chosen"), [("1", 1), ("3", 3), ("fr", 2), ("fra", 2), ("audiodescription", 3), (" main ", 1), ("de", 4)]
)
def test_a_track_is_asked_for(asked: str, chosen: int) -> None:
    """By index, language or title; the rule decides between several, and another programme may be asked for."""
    track = choose(NAMED, asked, "clip")
    assert track
    assert track.index == chosen


@pytest.mark.parametrize("asked", ["0", "9", "es", "Mai", ""])
def test_a_track_that_is_not_there(asked: str) -> None:
    """Exit code 2, and the tracks that there are."""
    with pytest.raises(UsageError, match=r'one of these: 1 \(aac, eng, "Main"\); 2 '):
        choose(NAMED, asked, "clip")


def test_none_can_be_decoded() -> None:
    """The refusal names the track, and not every codec that there is."""
    with pytest.raises(MediaError, match=r"only audio track 5 \(aac, ita\)") as refused:
        choose(NAMED, "it", "clip")
    assert len(str(refused.value)) < 200


def test_what_is_said_of_a_choice() -> None:
    """A default that cannot be decoded, and a file whose only sound is another programme's."""
    found = tracks({"codec": "", "decodable": False, "marks": ("default",)}, {})
    said = "audio track 1 (unknown codec, default) cannot be decoded: 2 (aac) is analysed"
    assert notes_on(found, found[1]) == (said,)
    assert notes_on(tracks({}, {}), TRACK) == ()
    assert notes_on([], None) == ()
    assert "another programme" in notes_on(tracks({"own_programme": False}), None)[0]


def two_tracks(path: Path, *options: str | Path, codec: str = "aac") -> Media:
    """A video whose first track has its burst at the wrong time, and what the probe finds of it."""
    inputs = [*picture(), *burst(at=WRONG), *burst(at=RIGHT)]
    maps = ["-map", "0", "-map", "1", "-map", "2"]
    ffmpeg(*inputs, *maps, "-c:v", "mpeg2video", "-c:a", codec, *options, path)
    return examined(path)


DESCRIBED = {
    "mkv, visual impaired": (".mkv", ("-disposition:a:0", "visual_impaired")),
    "mkv, commentary": (".mkv", ("-disposition:a:0", "comment")),
    "ts, visual impaired": (".ts", ("-disposition:a:0", "visual_impaired")),
    "ts, hearing impaired": (".ts", ("-disposition:a:0", "hearing_impaired")),
    "mp4, title": (".mp4", ("-metadata:s:a:0", "title=Audio Description")),
    "mkv, French title, default": (".mkv", ("-metadata:s:a:0", "title=VF Audiodescription")),
    "ts, French broadcast": (".ts", ("-metadata:s:a:0", "language=qad")),
    "ts, British broadcast": (".ts", ("-metadata:s:a:0", "language=nar")),
    "mkv, abbreviated": (".mkv", ("-metadata:s:a:0", "title=English AD")),
    "mp4, comments": (".mp4", ("-metadata:s:a:0", "title=Director's comments")),
    "mkv, German": (".mkv", ("-metadata:s:a:0", "title=Hörfilmfassung")),
    "mkv, Spanish": (".mkv", ("-metadata:s:a:0", "title=Comentario del director")),
}


@pytest.mark.parametrize("kind", DESCRIBED)
def test_audio_description_is_the_last_choice(tmp_path: Path, kind: str) -> None:
    """However a container says it; what it is stands in the list of tracks."""
    suffix, marks = DESCRIBED[kind]
    media = two_tracks(tmp_path / f"clip{suffix}", *marks, codec="mp2" if suffix == ".ts" else "aac")
    assert media.audio
    assert (media.audio.index, [track.special for track in media.tracks]) == (2, [True, False])


@pytest.mark.parametrize("title", ["Bad sound", "Adagio", "ad libitum", "Commented code", "Main", "Comment"])
def test_other_titles_are_no_audio_description(tmp_path: Path, title: str) -> None:
    """A word that only begins alike says nothing."""
    media = two_tracks(tmp_path / "clip.mkv", "-metadata:s:a:0", f"title={title}")
    assert media.audio
    assert media.audio.index == 1


RADIO_FIRST = ("-program", "program_num=1:st=0", "-program", "program_num=2:st=1:st=2")


@pytest.mark.parametrize("codec", ["mp2", "ac3", "aac"])
def test_the_pictures_own_programme(tmp_path: Path, codec: str) -> None:
    """A radio before the television programme: its sound is not put under the other's picture."""
    inputs = [*burst(at=WRONG), *picture(), *burst(at=RIGHT)]
    maps = ["-map", "0", "-map", "1", "-map", "2", "-c:v", "mpeg2video", "-c:a", codec]
    ffmpeg(*inputs, *maps, *RADIO_FIRST, tmp_path / "clip.ts")
    media, samples = decoded(tmp_path / "clip.ts", tmp_path)
    assert_heard_at(media, samples, *RIGHT)
    assert [track.own_programme for track in media.tracks] == [False, True]


@pytest.mark.parametrize(
    ("name", "codec", "mark"),
    [
        ("clip.mov", "alac", b"alac"),
        ("clip.mp4", "alac", b"alac"),
        ("clip.mov", "pcm_s16le", b"sowt"),
        ("clip.mkv", "flac", b"FLAC"),
    ],
)
def test_a_default_that_cannot_be_decoded(tmp_path: Path, name: str, codec: str, mark: bytes) -> None:
    """A phone's second codec comes first: the other is analysed, and that is said."""
    two_tracks(tmp_path / name, codec=codec)
    video = overwrite(tmp_path / name, mark, 0, b"apac")
    media, samples = decoded(video, tmp_path)
    assert_heard_at(media, samples, *RIGHT)
    assert media.notes == (f"audio track 1 (unknown codec, default) cannot be decoded: 2 ({codec}) is analysed",)


def test_no_track_can_be_decoded(tmp_path: Path) -> None:
    """One sentence names the track."""
    video = overwrite(clip(tmp_path / "clip.mov", None, "pcm_s16le"), b"sowt", 0, b"apac")
    assert "only audio track 1 (unknown codec, default)" in refusal(video, tmp_path / "out")


def test_a_track_by_language_and_title(tmp_path: Path) -> None:
    """Asked of a real file: in Matroska's codes, and in its titles."""
    names = ("language=eng", "language=fre", "title=Voix")
    video = tmp_path / "clip.mkv"
    two_tracks(video, "-metadata:s:a:0", names[0], "-metadata:s:a:1", names[1], "-metadata:s:a:1", names[2])
    for asked, index in (("en", 1), ("fr", 2), ("voix", 2), ("2", 2)):
        media = examined(video, audio_track=asked)
        assert media.audio
        assert media.audio.index == index
        assert media.notes == ()
    with pytest.raises(UsageError, match="no audio track 'es'"):
        examined(video, audio_track="es")

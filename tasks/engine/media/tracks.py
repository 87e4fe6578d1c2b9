"""Which of a file's audio tracks is analysed, and what the others are."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from av.stream import Disposition

from tasks.engine.core.errors import MediaError, UsageError
from tasks.engine.media.integrity import HEADER_SLACK_SEC
from tasks.engine.media.languages import same_language
from tasks.engine.media.packets import StreamStats, codec_of

DECODERS = (
    "aac,aac_latm,ac3,eac3,alac,flac,opus,libopus,vorbis,libvorbis,mp3,mp3float,mp2,mp2float,dca,truehd,wmav2,"
    "amrnb,amrwb,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,pcm_f64le,pcm_u8,"
    "pcm_mulaw,pcm_alaw,pcm_bluray,pcm_dvd,pcm_s8,pcm_u16le,pcm_u24le,adpcm_ms,adpcm_ima_wav,adpcm_ima_qt,adpcm_swf,"
    "adpcm_yamaha,g722,g726,gsm,gsm_ms,wmav1,wmapro,wmalossless,wavpack,tta,ape,mp1,mp1float,nellymoser,cook,speex,"
    "libspeex,qdm2,sipr,ilbc"
)
"""Accepted audio decoders. No video decoder: probing would run it on untrusted input."""

SPECIAL = (
    Disposition.visual_impaired
    | Disposition.descriptions
    | Disposition.hearing_impaired
    | Disposition.comment
    | Disposition.clean_effects
    | Disposition.karaoke
    | Disposition.lyrics
    | Disposition.non_diegetic
    | Disposition.dependent
)
"""Marks of tracks that are not the programme's own sound: descriptions, commentaries, mixes with more or with less."""

DESCRIBING_LANGUAGES = ("qad", "nar")
"""Audio description in French broadcasts, of ISO 639-2's range for local use, and narrative in British ones."""

DESCRIBING_TITLE = re.compile(
    r"audio[\s_-]*des[ck]ri|des[ck]ripti|(?-i:\bAD\b)|h(ö|oe)rfilm|comment(ary|aire|s\b)|[ck]omm?entar", re.IGNORECASE
)
"""Where a container has no such mark, or its author none to spare: Audio Description, audiodescription, AD, Hörfilm,
Commentary, Director's comments."""


NO_TITLE = re.compile("handler|core media", re.IGNORECASE)
"""What writers of MP4, where a handler's name may be the track's title, call every track."""


@dataclass(frozen=True, slots=True)
class AudioTrack:
    """One audio stream of a file, as its container and its packets describe it.

    Attributes:
        index: of the stream in the container, counted from 0 over streams of every kind, as ffprobe counts.
        codec: libavcodec's name; empty where it knows none.
        sample_rate: Hz, as stored; 0 where that is not known.
        channels: how many, as stored; 0 where that is not known.
        start_offset_sec: when the audio starts, relative to the first video frame; negative when earlier.
        duration_sec: from its first sample to its last, by its packets' timestamps.
        largest_gap_sec: longest hole between two packets; holes are filled with silence.
        language: as tagged; None without a tag.
        title: likewise.
        marks: libavformat's dispositions by name, such as `default` and `visual_impaired`.
        decodable: whether its codec is accepted.
        own_programme: False where it belongs to another programme than the picture.
        special: audio description, commentary or another mix that is not the programme's own sound.
        packets: how many it has.
    """

    index: int
    codec: str
    sample_rate: int
    channels: int
    start_offset_sec: float
    duration_sec: float
    largest_gap_sec: float
    language: str | None = None
    title: str | None = None
    marks: tuple[str, ...] = ()
    decodable: bool = True
    own_programme: bool = True
    special: bool = False
    packets: int = 0

    def __str__(self) -> str:
        """Name it in a sentence: `1 (aac, fra, "Interview", default)`."""
        title = f'"{self.title}"' if self.title else ""
        facts = (self.codec or "unknown codec", self.language or "", title, *self.marks)
        return f"{self.index} ({', '.join(fact for fact in facts if fact)})"

    @property
    def rank(self) -> tuple[bool, bool, bool, bool, int]:
        """The smallest is analysed: of the picture's programme, decodable, not special, the default, the first."""
        return not self.own_programme, not self.decodable, self.special, "default" not in self.marks, self.index

    def answers(self, asked: str) -> bool:
        """Tell whether this is the track with that index, language or title."""
        if asked.isdecimal():
            return self.index == int(asked)
        if self.title and self.title.strip().casefold() == asked.strip().casefold():
            return True
        return bool(self.language and same_language(asked.strip(), self.language))


def tracks_of(
    streams: Sequence[StreamStats], picture: StreamStats | None, programs: Mapping[int, Collection[int]]
) -> tuple[AudioTrack, ...]:
    """Describe every audio stream that holds packets.

    Args:
        streams: of the file, by index.
        picture: the video stream whose frames are counted, None where there is none.
        programs: numbers of the programmes of each stream, by the stream's identifier; empty where there are none.
    """
    pictured = set(programs.get(picture.stream.id, ())) if picture else set()
    return tuple(
        _described(stats, (picture or stats).start, pictured, set(programs.get(stats.stream.id, ())))
        for stats in streams
        if stats.stream.type == "audio" and stats.shown
    )


def _described(audio: StreamStats, start: float, pictured: set[int], programmes: set[int]) -> AudioTrack:
    """Describe a stream; `start` is the time of the first frame, the sets are those of the picture and its own."""
    stream, codec = audio.stream, codec_of(audio.stream)
    language = stream.metadata.get("language")
    names = [stream.metadata.get(key) for key in ("title", "name", "handler_name")]
    title = next((name for name in names if name and not NO_TITLE.search(name)), None)
    return AudioTrack(
        index=stream.index,
        codec=codec,
        sample_rate=stream.codec_context.sample_rate if codec else 0,
        channels=stream.codec_context.channels if codec else 0,
        start_offset_sec=audio.start - start,
        duration_sec=max(0.0, audio.seconds(audio.end) - audio.start),
        largest_gap_sec=audio.seconds(audio.gap),
        language=None if language == "und" else language,
        title=title,
        marks=tuple(str(mark.name) for mark in Disposition if mark & stream.disposition),
        decodable=codec in DECODERS.split(","),
        own_programme=not (pictured and programmes and pictured.isdisjoint(programmes)),
        special=bool(stream.disposition & SPECIAL)
        or language in DESCRIBING_LANGUAGES
        or bool(DESCRIBING_TITLE.search(title or "")),
        packets=audio.packets,
    )


def choose(tracks: Sequence[AudioTrack], asked: str | None, name: str) -> AudioTrack | None:
    """Choose the track to analyse; None where there is none, or none of the picture's programme.

    Args:
        tracks: of the file.
        asked: index, language or title of the one that is wanted; where None, the rule alone decides.
        name: the file's, for the message.

    Raises:
        UsageError: no track is the one that was asked for.
        MediaError: none can be decoded.
    """
    candidates = [track for track in tracks if (track.own_programme if asked is None else track.answers(asked))]
    if asked is not None and not candidates:
        listed = "; ".join(map(str, tracks)) or "none"
        raise UsageError(f"{name!r} has no audio track {asked!r}: index, language or title of one of these: {listed}.")
    chosen = min(candidates, key=lambda track: track.rank, default=None)
    if chosen and not chosen.decodable:
        raise MediaError(
            f"{name!r} has no sound that can be decoded, only audio track {'; '.join(map(str, candidates))}: "
            "AAC, AC-3, MP3, Opus, Vorbis, FLAC, PCM and other common codecs would be accepted."
        )
    return chosen


def notes_on(tracks: Sequence[AudioTrack], chosen: AudioTrack | None) -> tuple[str, ...]:
    """Say where what is analysed is not the track that a player would take."""
    if chosen is None:
        others = "; ".join(map(str, tracks))
        return (f"no sound is analysed: audio track {others} is of another programme",) if tracks else ()
    usual = min(tracks, key=lambda track: ("default" not in track.marks, track.index))
    return () if usual.decodable else (f"audio track {usual} cannot be decoded: {chosen} is analysed",)


def lost_sound(track: AudioTrack | None, duration_sec: float) -> str:
    """Say where the sound of a cut recording ends before its picture: a fragment holds one behind the other."""
    if track is None:
        return "; nothing is left of its sound"
    end = track.start_offset_sec + track.duration_sec
    return f"; its sound ends at {max(0.0, end):.2f} s" if end < duration_sec - HEADER_SLACK_SEC else ""

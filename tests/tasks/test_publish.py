"""Publication: what is found again, and what becomes of what was there."""

import hashlib
import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from media_samples import burst, clip, cut, ffmpeg, noise, picture
from scripted_runs import TURNS, contents, dependencies, drifting, publish

from flows.recipes.audio_analysis import analyse
from profiles.settings import Configuration
from tasks.engine.core.errors import MediaError, UsageError
from tasks.engine.core.turns import Turn
from tasks.engine.formats import turns_parquet
from tasks.engine.formats.detect import load_timeline, read
from tasks.engine.publishing.exchange import changed_by_others
from tasks.engine.publishing.manifest import load_verified_manifest
from tasks.engine.publishing.names import PUBLIC
from tasks.engine.testing import ScriptedDiarizer

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("clean_settings")]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A clip in a folder of its own."""
    return clip(tmp_path / "clip.mkv")


def test_the_same_request_finds_its_own_publication(video: Path) -> None:
    """Nothing is computed and no file is touched; another setting is another request."""
    first, networks = publish(video), ScriptedDiarizer(TURNS)
    before = contents(video.parent)
    second = publish(video, networks)

    assert (first.already, second.already, networks.calls) == (False, True, [])
    assert contents(video.parent) == before
    assert not publish(video, networks, min_speech_ms=200).already


@pytest.mark.parametrize("name", ["clip_timeline.parquet", "clip_turns.parquet"])
def test_a_publication_that_is_not_whole_is_made_anew(video: Path, name: str) -> None:
    """A file that is missing, or is not what the manifest lists."""
    path = publish(video).path
    (video.parent / name).write_bytes(b"changed")

    assert load_verified_manifest(path) is None
    assert not publish(video).already
    assert load_verified_manifest(path) is not None


def test_a_format_that_is_no_longer_asked_for_goes(video: Path) -> None:
    """Nobody must read an older `_audio.json` beside a newer `_audio.json.gz`."""
    publish(video)
    publish(video, json_gzip=True)

    assert "clip_audio.json.gz" in contents(video.parent)
    assert "clip_audio.json" not in contents(video.parent)


def test_the_names_of_another_video_are_not_taken(video: Path) -> None:
    """While that one exists; a copy of the folder, whose video is elsewhere, is no reason to refuse."""
    publish(video)
    other = clip(video.with_suffix(".wav"))

    with pytest.raises(UsageError, match=r"was published for .*clip\.mkv"):
        publish(other)
    video.unlink()
    assert not publish(other).already


def test_a_copied_archive_is_published_already(video: Path) -> None:
    """Video and publication were copied, the original is still there: nothing is computed, nothing refused."""
    publish(video)
    copied = Path(shutil.copytree(video.parent, video.parents[1] / "copied_archive"))

    assert publish(copied / video.name, ScriptedDiarizer(TURNS)).already


def test_a_substitute_is_published_as_the_reference(video: Path) -> None:
    """Never as a comparison that passed; the page of the drift is published with it."""
    manifest = publish(video, drifting(), gpu=True, on_drift="substitute").manifest

    assert (manifest["verdict"], manifest["substituted"]) == ("reference", True)
    assert manifest["device"]["device"] == "cpu"
    assert "clip_report.html" in manifest["files"]
    assert {name.removeprefix("clip") for name in manifest["files"]} < set(PUBLIC)


REDUCED = (
    '{"frames_analysis": [{"frame": 1, "audio_info": {"is_speech_present": true, "active_speaker_labels": ["A"]}}]}'
)


@pytest.mark.parametrize("suffix", ["_audio.json", ".rttm"])
def test_a_copy_that_others_rewrote_is_left_alone(video: Path, suffix: str, caplog: pytest.LogCaptureFixture) -> None:
    """The publication is whole, nothing is computed, the copy keeps what it was given, and the log says so."""
    path = publish(video).path
    copy = video.with_name(f"clip{suffix}")
    copy.write_text(REDUCED)
    networks = ScriptedDiarizer(TURNS)

    assert load_verified_manifest(path) is not None
    assert publish(video, networks).already
    assert (networks.calls, copy.read_text()) == ([], REDUCED)
    assert f"{copy} was changed by others and is left alone" in caplog.text


def test_a_copy_that_is_gone_is_made_again_and_the_other_left(video: Path) -> None:
    """Nobody's work is in the way; there is no inference, and what others made of the other copy stays."""
    publish(video)
    before = contents(video.parent)
    video.with_name("clip_audio.json").unlink()
    video.with_name("clip.rttm").write_text("SPEAKER clip 1 0 1 <NA> <NA> Anne <NA> <NA>\n")
    rewritten = contents(video.parent)["clip.rttm"]
    networks = ScriptedDiarizer(TURNS)

    assert publish(video, networks).already
    assert networks.calls == []
    assert contents(video.parent) == before | {"clip.rttm": rewritten}


@pytest.mark.parametrize("change", [{"min_speech_ms": 200}, {"reference": "none"}, {"json_gzip": True}])
def test_a_new_publication_of_the_video_leaves_it_too(video: Path, change: dict[str, Any]) -> None:
    """Other settings write the tables anew; what a later step made of a copy is still its own."""
    publish(video)
    video.with_name("clip_audio.json").write_text(REDUCED)

    assert not publish(video, **change).already
    assert video.with_name("clip_audio.json").read_text() == REDUCED
    assert load_verified_manifest(video.with_name("clip_step4.json")) is not None


def test_a_copy_of_another_content_of_the_video_goes(video: Path, tmp_path: Path) -> None:
    """What others made of the video as it was before would now be read as a description of this one."""
    publish(video)
    video.with_name("clip_audio.json").write_text(REDUCED)
    shutil.copy(clip(tmp_path / "elsewhere.mkv", noise()), video)
    publish(video)

    assert video.with_name("clip_audio.json").read_text() != REDUCED


@pytest.mark.parametrize("gzip", [False, True])
def test_refresh_writes_the_copies_anew_from_the_tables(video: Path, gzip: bool) -> None:
    """Byte for byte what was published, without an inference; one that is gone is there again."""
    publish(video, json_gzip=gzip)
    before = contents(video.parent)
    table = video.with_name("clip_audio.json.gz" if gzip else "clip_audio.json")
    table.write_text(REDUCED)
    video.with_name("clip.rttm").unlink()
    networks = ScriptedDiarizer(TURNS)
    published = publish(video, networks, refresh=True, json_gzip=gzip)

    assert (published.already, networks.calls) == (True, [])
    assert contents(video.parent) == before


def test_refresh_with_other_settings_publishes_anew_copies_and_all(video: Path) -> None:
    """The copies are those of the new tables, and the manifest lists them."""
    publish(video)
    video.with_name("clip_audio.json").write_text(REDUCED)
    path = publish(video, refresh=True, min_speech_ms=200).path

    assert list(changed_by_others(video.parent, load_verified_manifest(path))) == []


ALONE = (Turn(0.5, 1.9, "SPEAKER_00"), Turn(1.9, 3.5, "SPEAKER_01"))


def test_turns_with_one_speaker_at_a_time_are_a_table_more(video: Path) -> None:
    """On request, beside what is always there and unchanged by it; it goes when it is no longer asked for."""
    networks = ScriptedDiarizer(TURNS, exclusive=ALONE)
    publish(video, networks)
    before = contents(video.parent)
    manifest = publish(video, networks, exclusive=True).manifest
    after = contents(video.parent)

    assert after.keys() - before.keys() == {"clip_exclusive.parquet"}
    assert "clip_exclusive.parquet" in manifest["files"]
    assert turns_parquet.read(video.with_name("clip_exclusive.parquet")) == list(ALONE)
    assert {name.removeprefix("clip") for name in manifest["files"]} < set(PUBLIC)
    assert after["clip_audio.json"] == before["clip_audio.json"]
    assert after["clip.rttm"] == before["clip.rttm"]
    publish(video, networks)
    assert "clip_exclusive.parquet" not in contents(video.parent)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({}, "2 found"),
        ({"num_speakers": 2}, "2 asked for, 2 found"),
        ({"num_speakers": 5}, "5 asked for, 2 found: too little speech of one person at a time to tell more apart"),
        ({"min_speakers": 3, "max_speakers": 4}, "at least 3 and at most 4 asked for, 2 found: too little speech"),
    ],
)
def test_manifest_table_and_log_say_how_many_were_asked_for_and_found(
    video: Path, asked: dict[str, int], sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A warning where it is not what was asked for."""
    caplog.set_level("INFO", "step4")
    manifest = publish(video, **asked).manifest
    table = load_timeline(video.with_name("clip_timeline.parquet")).metadata

    assert manifest["speakers"] == table["speakers"]
    assert manifest["speakers"]["found"] == 2
    assert manifest["speakers"]["sentence"].startswith(sentence)
    assert {name: manifest["parameters"][name] for name in asked} == asked
    (line,) = {record for record in caplog.records if record.message.startswith("Speakers: ")}
    assert (sentence in line.message, line.levelname == "WARNING") == (True, ": too little" in sentence)


def test_no_turn_goes_on_beyond_the_last_frame(video: Path) -> None:
    """Sound may be longer than the picture: tables and copies end with it."""
    long = ScriptedDiarizer((Turn(0.5, 5.3, "A"), Turn(5.1, 6.0, "B")), exclusive=(Turn(0.5, 5.3, "A"),))
    manifest = publish(video, long, exclusive=True).manifest

    assert manifest["source"]["duration_sec"] == 5.0
    for name in ("clip_turns.parquet", "clip_exclusive.parquet", "clip.rttm"):
        assert read(video.with_name(name)) == [Turn(0.5, 5.0, "A")], name


def test_a_clock_that_was_set_back_changes_nothing(video: Path) -> None:
    """The night in which the clocks change, and a server that corrects its own: a publication is known by content."""
    at_first, later = (
        replace(dependencies(ScriptedDiarizer(TURNS)), now=lambda moment=moment: moment)
        for moment in (datetime(2026, 10, 25, 2, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC))
    )
    first = analyse(video, video.parent, Configuration.resolve(), at_first)
    os.utime(video, (1, 1))
    again = analyse(video, video.parent, Configuration.resolve(), later)

    assert (again.already, again.manifest) == (True, first.manifest)


@pytest.mark.parametrize("content", ["[]", "{", '{"source": []}', '{"source": {"sha256": "SHA"}, "files": ["x.rttm"]}'])
def test_a_manifest_that_is_none_is_no_reason_not_to_publish(video: Path, content: str) -> None:
    """Whatever somebody left under its name: there is nothing in it to leave alone."""
    path = video.with_name("clip_step4.json")
    path.write_text(content.replace("SHA", hashlib.sha256(video.read_bytes()).hexdigest()))

    assert not publish(video).already
    assert load_verified_manifest(path) is not None


def test_another_track_is_another_publication(tmp_path: Path) -> None:
    """What one track's sound gave is never found as another's; the manifest lists both, and what was asked for."""
    inputs = [*picture(), *noise(), *burst()]
    names = ("-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=fre")
    ffmpeg(*inputs, "-map", "0", "-map", "1", "-map", "2", *names, tmp_path / "clip.mkv")
    first = publish(tmp_path / "clip.mkv").manifest
    other = publish(tmp_path / "clip.mkv", audio_track="fr")
    again = publish(tmp_path / "clip.mkv", audio_track="fr")

    assert (other.already, again.already) == (False, True)
    assert first["source"]["samples_sha256"] != other.manifest["source"]["samples_sha256"]
    assert [track["language"] for track in other.manifest["source"]["audio_tracks"]] == ["eng", "fre"]
    assert (first["source"]["audio"]["index"], other.manifest["source"]["audio"]["index"]) == (1, 2)
    assert other.manifest["parameters"]["audio_track"] == "fr"


def test_a_silent_track_is_said_in_the_manifest(tmp_path: Path) -> None:
    """Readers of the files learn what people were warned of."""
    silence = ["-f", "lavfi", "-i", "anullsrc=r=48000:d=5"]
    ffmpeg(*picture(), *silence, *burst(), "-map", "0", "-map", "1", "-map", "2", tmp_path / "clip.mkv")
    (note,) = publish(tmp_path / "clip.mkv").manifest["source"]["notes"]
    assert note.startswith("audio track 1 is silent and track 2 ")


def test_a_cut_recording_is_published_where_that_was_asked_for(video: Path) -> None:
    """Refused first; then published up to where it ends, and marked: nobody takes it for the whole."""
    cut(video, 0.6)
    with pytest.raises(MediaError, match="--accept-truncated"):
        publish(video)
    manifest = publish(video, accept_truncated=True).manifest
    assert manifest["source"]["truncated"] is True
    assert manifest["source"]["notes"][0].startswith("the recording is cut at ")
    assert manifest["summary"]["frames"] < 125

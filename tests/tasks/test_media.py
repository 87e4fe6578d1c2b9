"""The media stage: what is refused before anything is read, and what a silent video gives."""

import platform
from pathlib import Path

import pytest
from media_samples import burst, clip, ffmpeg, picture

from tasks.engine.core.constants import GIB
from tasks.engine.core.errors import MediaError
from tasks.engine.media.limits import MediaLimits
from tasks.media import listen, listen_task, probe, probe_task


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A missing file and a folder that bears a video's name: exit code 4, the path, and what it is."""
    (tmp_path / "folder.mp4").mkdir()
    for name, reason in (("missing.mp4", "does not exist"), ("folder.mp4", "is a folder")):
        with pytest.raises(MediaError, match=reason) as caught:
            probe(tmp_path / name)
        assert name in str(caught.value)
        assert caught.value.exit_code == 4


def test_a_file_beyond_the_limit_is_refused_unread(tmp_path: Path) -> None:
    """The size alone decides: this one holds nothing that could be read."""
    with (tmp_path / "large.mp4").open("wb") as file:
        file.truncate(2 * GIB)
    with pytest.raises(MediaError, match=r"2(\.0)? GiB: up to 1 GiB would be accepted"):
        probe(tmp_path / "large.mp4", MediaLimits(input_gib=1))


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


@pytest.mark.parametrize("name", ["clip.mp4", "../clip.mp4"])
def test_a_path_that_is_not_there_says_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A worker has a folder and a machine of its own: a relative path names both, an absolute one the machine."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MediaError, match=rf"{name}' does not exist in {tmp_path} on {platform.node()}"):
        probe(Path(name))
    with pytest.raises(MediaError, match=rf"clip.mp4' does not exist on {platform.node()}"):
        probe(tmp_path / "clip.mp4")


SILENCE = ["-f", "lavfi", "-i", "anullsrc=r=48000:cl=mono:d=5"]


@pytest.mark.parametrize(
    ("first", "said"),
    [
        (SILENCE, "audio track 1 is silent and track 2 (aac) is not: --audio-track takes another"),
        (["-f", "lavfi", "-i", "anoisesrc=amplitude=0.00001:duration=5"], "audio track 1 is silent"),
        (burst(), ""),
    ],
    ids=["digital silence", "noise at -100 dB", "sound"],
)
def test_a_silent_track_beside_one_that_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, first: list[str], said: str
) -> None:
    """Screen recorders put the microphone second: that is said, in the samples' notes and in the log."""
    inputs = [*picture(), *first, *burst()]
    ffmpeg(*inputs, "-map", "0", "-map", "1", "-map", "2", "-c:a", "aac", tmp_path / "clip.mp4")
    with caplog.at_level("WARNING", "step4.media"):
        samples = listen(probe(tmp_path / "clip.mp4"), tmp_path / "clip.f32")
    assert samples
    assert said in " ".join(samples.notes)
    assert bool(said) == bool(samples.notes) == bool(caplog.records)
    assert {path.name for path in tmp_path.iterdir()} == {"clip.mp4", "clip.f32"}


def test_silence_beside_silence_is_not_worth_a_word(tmp_path: Path) -> None:
    """Nothing better could be chosen."""
    ffmpeg(*picture(), *SILENCE, *SILENCE, "-map", "0", "-map", "1", "-map", "2", tmp_path / "clip.mkv")
    samples = listen(probe(tmp_path / "clip.mkv"), tmp_path / "clip.f32")
    assert samples
    assert samples.notes == ()

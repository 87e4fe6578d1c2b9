"""Recordings that people have, by the command and with the real networks: what it prints and what it publishes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import step4
from edit_lists import with_edits
from media_samples import ffmpeg, picture
from speech import CLIPS

from tasks.engine.formats import rttm
from tasks.engine.formats.detect import load_timeline
from tasks.engine.media.sample import recording_path

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("clean_settings")]


def meeting() -> Path:
    """Two people who talk: a clip that is hard on purpose where it is at hand, else the shipped recording."""
    hard = Path(CLIPS or "") / "dev01.wav"
    return hard if CLIPS and hard.is_file() else recording_path()


def manifest_of(video: Path) -> dict[str, Any]:
    """What a run published."""
    content: dict[str, Any] = json.loads(video.with_name(f"{video.stem}_step4.json").read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("asked", [3, 4, 6])
def test_how_many_speakers_were_asked_for_and_found(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], asked: int
) -> None:
    """In summary, log and manifest, in our words: no library's warning stands alone."""
    video = tmp_path / "clip.wav"
    video.symlink_to(meeting())
    assert step4("run", video, "--profile", "cpu", "--num-speakers", str(asked)) == 0
    shown = capfd.readouterr()
    said = manifest_of(video)["speakers"]

    assert said["asked"] == str(asked)
    assert said["found"] == len({turn.speaker for turn in rttm.read(video.with_suffix(".rttm"))}) <= asked
    assert said["sentence"].startswith(f"{asked} asked for, {said['found']} found")
    assert (said["found"] < asked) == (": too little speech" in said["sentence"])
    assert f"asked for {said['sentence']}" in " ".join(shown.out.split())
    assert f"Speakers: {said['sentence']}" in " ".join(shown.err.split())
    assert "min_cluster_size" not in shown.out + shown.err


def test_a_film_of_several_edits(tmp_path: Path) -> None:
    """100 frames of two parts that an edit list keeps: speech lies where it lies if the same is cut and coded anew."""
    spoken = ("-ss", "6", "-t", "8", "-i", recording_path())
    codecs = ("-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-c:a", "aac")
    ffmpeg(*picture(seconds=8), *spoken, *codecs, tmp_path / "whole.mp4")
    (tmp_path / "clip.mp4").write_bytes(with_edits((tmp_path / "whole.mp4").read_bytes(), [(0, 2), (4, 2)]))
    kept = "select='lt({t},2)+between({t},4,5.9999)'"
    parts = ("-af", f"a{kept.format(t='t')},asetpts=N/SR/TB", "-vf", f"{kept.format(t='t')},setpts=N/25/TB")
    ffmpeg("-i", tmp_path / "whole.mp4", *parts, "-c:v", "libx264", "-c:a", "pcm_s16le", tmp_path / "anew.mkv")
    for name in ("clip.mp4", "anew.mkv"):
        assert step4("run", tmp_path / name, "--profile", "cpu") == 0
    edited, anew = (load_timeline(tmp_path / f"{name}_timeline.parquet") for name in ("clip", "anew"))

    assert manifest_of(tmp_path / "clip.mp4")["source"]["total_frames"] == edited.frames == anew.frames == 100
    assert 20 < edited.speech.sum() < 100
    assert np.mean(edited.speech != anew.speech) <= 0.03

"""Turns and scores become the two tables of a run's staging area."""

import logging
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from stages import TURNS, inferred, run_of, silence, staged

from tasks.engine.core.errors import StorageError
from tasks.engine.core.frames import FrameGrid
from tasks.engine.formats import turns_parquet
from tasks.engine.formats.detect import load_timeline
from tasks.inference_job import silent_inference
from tasks.run import Run
from tasks.timeline import build_timeline

pytestmark = pytest.mark.usefixtures("clean_settings")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run on a machine without a GPU."""
    return run_of(tmp_path / "clip.mp4")


def test_both_tables_hold_what_was_inferred(run: Run) -> None:
    """Every frame of the video, every turn, in a folder of that name in the staging area."""
    built = staged(run, inferred(run), "reference")
    timeline = load_timeline(built.timeline)

    assert built.timeline.parent == built.turns.parent == run.staging / "reference"
    assert (timeline.frames, timeline.speakers) == (125, ("SPEAKER_00", "SPEAKER_01"))
    assert turns_parquet.read(built.turns) == list(TURNS)
    assert (built.summary.frames, built.summary.speech_frames) == (125, int(timeline.speech.sum())) == (125, 75)


def test_the_table_says_where_it_comes_from(run: Run) -> None:
    """Source, samples, what computed it, and the summary, as the manifest will say it."""
    samples, outcome = silence(run), inferred(run)
    built = build_timeline(run, outcome, samples, "candidate")
    metadata = load_timeline(built.timeline).metadata

    assert metadata["source"]["samples_sha256"] == samples.sha256
    assert metadata["device"]["plan"] == run.plan.facts()
    assert metadata["summary"]["speech_frames"] == 75
    assert {"source", "models", "parameters", "versions"} <= set(metadata)


def test_the_reference_is_named_with_its_own_profile(run: Run) -> None:
    """Whatever profile it judges, `cpu` computes it; the candidate's is the one that was asked for."""
    profiles = {
        name: load_timeline(staged(run, inferred(run), name).timeline).metadata["profile"]
        for name in ("candidate", "reference")
    }

    assert profiles == {"candidate": "gpu_fp32", "reference": "cpu"}


def test_a_video_without_sound_has_every_frame_and_no_speech(run: Run) -> None:
    """Silence is a timeline too; there are no samples to name."""
    silent = replace(run, media=replace(run.media, audio=None))
    built = build_timeline(silent, silent_inference(silent.plan), None, "candidate")
    timeline = load_timeline(built.timeline)

    assert (timeline.frames, int(timeline.speech.sum())) == (125, 0)
    assert timeline.metadata["source"]["samples_sha256"] is None
    assert turns_parquet.read(built.turns) == []


def test_the_promised_line_is_logged(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """Operators search for it."""
    with caplog.at_level(logging.INFO, logger="step4"):
        staged(run, inferred(run))

    assert "Timeline audio: 75/125 frames avec parole (60.0%)" in caplog.messages


def test_a_staging_area_that_takes_no_files_is_a_storage_error(run: Run) -> None:
    """A file where the folder should be."""
    outcome = inferred(run)
    run.staging.mkdir(parents=True)
    (run.staging / "candidate").write_text("")

    with pytest.raises(StorageError):
        staged(run, outcome)


def test_where_the_rate_varies_seconds_are_those_of_the_turns(run: Run) -> None:
    """One frame is held for most of the video: each speaker's seconds are the same as at a constant rate."""
    times = np.array([0.0, 0.04, *(4.5 + np.arange(13) / 25)])
    held = replace(run, media=replace(run.media, grid=FrameGrid(15, Fraction(3), times), variable_frame_rate=True))
    constant = build_timeline(run, inferred(run), silence(run), "constant").summary
    built = build_timeline(held, inferred(held), silence(held), "held")

    assert [share.name for share in built.summary.speakers] == [share.name for share in constant.speakers]
    for share, at_constant in zip(built.summary.speakers, constant.speakers, strict=True):
        assert share.seconds == pytest.approx(at_constant.seconds, abs=0.05)
    assert built.summary.speech_sec == pytest.approx(constant.speech_sec, abs=0.05)
    assert load_timeline(built.timeline).metadata["summary"]["speech_sec"] == built.summary.speech_sec

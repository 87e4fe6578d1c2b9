"""The watch on the detection rate: 5 % and 20 % are the limits, and the CPU's own word is enough."""

import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest
from stages import inferred, run_of

from tasks.detection_rate import DetectionRate, check_detection_rate
from tasks.engine.core.summary import Summary
from tasks.inference_job import silent_inference
from tasks.records.diagnostics import INCONSISTENCIES

pytestmark = pytest.mark.usefixtures("clean_settings")

FALLBACK, LOW = "activation du fallback CPU", "vérifier le modèle"


def summary(percent: float) -> Summary:
    """A timeline with that share of speech in its time; of its frames, at a variable rate, it may be any."""
    return Summary(1000, 120, 12.0, 0.0, (), speech_sec=percent / 2, time_percent=percent)


def recorded() -> list[dict[str, Any]]:
    """What was left for operators."""
    path = Path(os.environ["STEP4_DIAGNOSTICS_DIR"]) / INCONSISTENCIES
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def lines_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What this step logged: other steps may log too, where an earlier test has left the level low."""
    return [record.getMessage() for record in caplog.records if record.name == "step4.watch"]


@pytest.mark.parametrize(
    ("gpu", "percent", "expected", "said", "action"),
    [
        (True, 0.0, DetectionRate.TOO_LOW, FALLBACK, "asked the CPU"),
        (True, 4.9, DetectionRate.TOO_LOW, FALLBACK, "asked the CPU"),
        (True, 5.0, DetectionRate.USUAL, LOW, "warned"),
        (True, 19.9, DetectionRate.USUAL, LOW, "warned"),
        (True, 20.0, DetectionRate.USUAL, None, None),
        (True, 100.0, DetectionRate.USUAL, None, None),
        (False, 0.0, DetectionRate.USUAL, LOW, "warned"),
        (False, 4.9, DetectionRate.USUAL, LOW, "warned"),
        (False, 20.0, DetectionRate.USUAL, None, None),
    ],
)
def test_what_each_rate_calls_for(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    gpu: bool,
    percent: float,
    expected: DetectionRate,
    said: str | None,
    action: str | None,
) -> None:
    """Under 5 % the CPU is asked, unless it spoke already; under 20 % a warning; each with its line and its record."""
    run = run_of(tmp_path / "clip.mp4", gpu=gpu)
    outcome = inferred(run)
    with caplog.at_level(logging.WARNING, logger="step4"):
        assert check_detection_rate(run, outcome, summary(percent)) is expected

    assert len(lines_of(caplog)) == (1 if said else 0)
    assert all(said in message for message in lines_of(caplog) if said)
    assert [(line["kind"], line["percent"], line["action"]) for line in recorded()] == (
        [("low_detection_rate", percent, action)] if action else []
    )


def test_a_video_without_sound_is_no_suspect(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing was inferred, so nothing can have been missed."""
    run = run_of(tmp_path / "clip.mp4", gpu=True)

    assert check_detection_rate(run, silent_inference(run.plan), summary(0.0)) is DetectionRate.USUAL
    assert (lines_of(caplog), recorded()) == ([], [])

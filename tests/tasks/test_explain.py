"""Looking for the first stage that diverged: only where there is a drift, and never in the way of the refusal."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from media_samples import clip
from pages import pair

from tasks.engine.core.choices import Verdict
from tasks.engine.core.errors import EngineError, UsageError
from tasks.engine.core.stages import Stage
from tasks.engine.devices.plan import DevicePlan
from tasks.engine.diagnosis.patching import Explanation
from tasks.engine.gate.drift_report import DriftReport
from tasks.engine.gate.findings import Localization
from tasks.engine.gate.tolerance import Tolerance
from tasks.engine.gate.verdict import compare
from tasks.engine.inference.types import Parameters
from tasks.explain import explain, explain_afterwards
from tasks.inference_job import silent_inference

pytestmark = pytest.mark.usefixtures("clean_settings")

GPU = DevicePlan("auto", "cuda:0", "Fake GPU", "naive", "float16", 4, 2, "none", "cpu", "a test")


def explained(report: DriftReport, explainer: Callable[..., Explanation]) -> DriftReport:
    """Explain a report of a candidate that a GPU computed."""
    outcome = replace(silent_inference(GPU), plan=GPU)
    return explain(report, outcome, lambda: np.zeros(16_000, np.float32), Parameters(), explainer)


def answers(explanation: Explanation, asked: list[tuple[Any, ...]] | None = None) -> Callable[..., Explanation]:
    """An explainer that always says the same, and keeps what it was asked."""

    def explainer(*arguments: Any) -> Explanation:
        if asked is not None:
            asked.append(arguments)
        return explanation

    return explainer


def drift() -> DriftReport:
    """A candidate that hears nothing for 20 s in the middle of two minutes."""
    return compare(*pair())


@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict is not Verdict.DRIFT])
def test_only_a_drift_is_explained(verdict: Verdict) -> None:
    """Any other report is returned as it is, and no network is asked."""
    report, asked = DriftReport(verdict, Tolerance(), reason="a test"), list[tuple[Any, ...]]()

    assert explained(report, answers(Explanation(repeatable=True, localization=None), asked)) is report
    assert asked == []


def test_the_excerpt_lies_around_the_worst_stretch() -> None:
    """Where the two differ most, under the candidate's own plan and the limits that were exceeded."""
    asked: list[tuple[Any, ...]] = []
    explained(drift(), answers(Explanation(repeatable=True, localization=None), asked))
    _, around_sec, plan, _, tolerance = asked[0]

    assert 60 <= around_sec <= 80
    assert (plan, tolerance) == (GPU, Tolerance())


def test_the_stage_that_was_found_is_in_the_report() -> None:
    """The verdict stays a drift."""
    localization = Localization(Stage.SCORES, (), "choose a profile with precision fp32")
    report = explained(drift(), answers(Explanation(repeatable=True, localization=localization)))

    assert (report.verdict, report.localization) == (Verdict.DRIFT, localization)


def test_a_reference_that_does_not_equal_itself_proves_nothing() -> None:
    """The verdict says so, and no stage is blamed."""
    report = explained(drift(), answers(Explanation(repeatable=False, localization=None)))

    assert report.verdict is Verdict.REFERENCE_NOT_REPEATABLE
    assert report.localization is None


@pytest.mark.parametrize("error", [EngineError("out of memory"), RuntimeError("nobody foresaw")])
def test_an_explainer_that_fails_does_not_cost_the_refusal(error: Exception) -> None:
    """The drift stands, with a note of what went wrong."""

    def fails(*_: Any) -> Explanation:
        raise error

    report = explained(drift(), fails)

    assert report.verdict is Verdict.DRIFT
    assert f"The drift could not be located: {error}" in report.notes


def test_a_file_that_no_run_wrote_cannot_be_explained(tmp_path: Path) -> None:
    """It says nothing of a device."""
    with pytest.raises(UsageError, match="needs a candidate in Parquet that a run of step4 wrote"):
        explain_afterwards(drift(), {"source": {}}, tmp_path / "clip.mp4")


def test_another_video_explains_nothing(tmp_path: Path) -> None:
    """The candidate names what it was computed from; a plan written by version 0.1.0 is read too."""
    plan = {"half" if name == "autocast_dtype" else name: value for name, value in GPU.facts().items()}
    parameters = {"models": "offline", "num_speakers": None, "speech_threshold": 0.5, "min_speech_ms": 300}
    metadata = {"device": {"plan": plan}, "parameters": parameters, "source": {"name": "clip.mp4", "sha256": "0" * 64}}

    with pytest.raises(UsageError, match=r"clip\.mp4 with other content"):
        explain_afterwards(drift(), metadata, clip(tmp_path / "other.wav"))

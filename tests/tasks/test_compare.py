"""The gate: a verdict about two staged tables, and what it leads to."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest
from stages import TURNS, inferred, job_of, run_of, staged

from tasks.compare import compare, decide, reference_reason
from tasks.detection_rate import DetectionRate
from tasks.engine.core import log_lines
from tasks.engine.core.choices import Decision, OnDrift, Verdict
from tasks.engine.core.errors import StorageError
from tasks.engine.core.turns import Turn
from tasks.engine.gate.drift_report import DriftReport
from tasks.engine.gate.findings import SpotCheck
from tasks.engine.gate.tolerance import Tolerance
from tasks.engine.testing import ScriptedDiarizer
from tasks.inference_job import Outcome, silent_inference
from tasks.run import Run

pytestmark = pytest.mark.usefixtures("clean_settings")

PUBLISH, SUBSTITUTE, REFUSE = Decision.PUBLISH, Decision.SUBSTITUTE, Decision.REFUSE
ORDER = (OnDrift.FAIL, OnDrift.WARN, OnDrift.SUBSTITUTE)
DECISIONS = {
    # verdict: decisions under fail, warn, substitute at a usual rate; then the same where the rate is too low
    Verdict.COHERENT: (PUBLISH, PUBLISH, PUBLISH, SUBSTITUTE, SUBSTITUTE, SUBSTITUTE),
    Verdict.REFERENCE: (PUBLISH, PUBLISH, PUBLISH, SUBSTITUTE, SUBSTITUTE, SUBSTITUTE),
    Verdict.UNVERIFIED: (PUBLISH, PUBLISH, PUBLISH, SUBSTITUTE, SUBSTITUTE, SUBSTITUTE),
    Verdict.DRIFT: (REFUSE, PUBLISH, SUBSTITUTE, REFUSE, SUBSTITUTE, SUBSTITUTE),
    Verdict.NOT_COMPARABLE: (REFUSE, REFUSE, SUBSTITUTE, REFUSE, REFUSE, SUBSTITUTE),
    Verdict.REFERENCE_NOT_REPEATABLE: (REFUSE, REFUSE, REFUSE, REFUSE, REFUSE, REFUSE),
}


def lines_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What this step logged: other steps may log too, where an earlier test has left the level low."""
    return [record.getMessage() for record in caplog.records if record.name == "step4.compare"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run on a machine with a GPU."""
    return run_of(tmp_path / "clip.mp4", gpu=True)


def reference_of(run: Run) -> Outcome:
    """What the CPU says."""
    return inferred(run, role="reference", plan=run.plan.as_reference())


def test_a_whole_reference_is_not_called_a_sample(run: Run) -> None:
    """Computed because of a doubt it says so; for another reason, such as a low rate, it leaves the sample out."""
    sides = (staged(run, inferred(run)), staged(run, reference_of(run), "reference"))

    def compared(*doubts: str) -> DriftReport:
        check = SpotCheck(
            100, (0, 99), 7, 0.0, None, 0, 300, 0, 0.63, 0.95, proves_grouping=True, neighbours={}, doubts=doubts
        )
        return compare(inferred(run), *sides, 0.5, DriftReport(Verdict.COHERENT, Tolerance(), spot_check=check))

    doubted = compared("window 5 differs")

    assert compared().spot_check is None
    assert doubted.spot_check is not None
    assert "by sample" not in doubted.sentence
    assert any("the whole one was computed, since window 5 differs" in note for note in doubted.notes)


def test_every_verdict_has_its_decisions() -> None:
    """The table above leaves none out."""
    assert set(DECISIONS) == set(Verdict)


@pytest.mark.parametrize("verdict", list(Verdict))
def test_what_a_verdict_leads_to(verdict: Verdict) -> None:
    """Only a measured drift is waved through, only a reference that repeats itself is published instead."""
    report = DriftReport(verdict, Tolerance(), reason="as the test says")
    rates = (DetectionRate.USUAL, DetectionRate.TOO_LOW)

    assert tuple(decide(report, choice, rate) for rate in rates for choice in ORDER) == DECISIONS[verdict]


def test_whatever_is_published_against_the_rule_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    """A refusal needs no warning here: it is an error of its own."""
    report = DriftReport(Verdict.DRIFT, Tolerance(), reason="as the test says")
    with caplog.at_level(logging.WARNING, logger="step4"):
        decide(report, "fail")
        assert lines_of(caplog) == []
        decide(report, "warn")
        decide(report, "substitute")
        decide(report, "warn", DetectionRate.TOO_LOW)

    assert len(lines_of(caplog)) == 3
    assert "on_drift=warn" in lines_of(caplog)[0]
    assert "too low to be believed" in lines_of(caplog)[2]


def test_equal_tables_are_coherent(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """Told in the two lines that operators search for."""
    candidate = inferred(run)
    with caplog.at_level(logging.INFO, logger="step4.compare"):
        report = compare(candidate, staged(run, candidate), staged(run, reference_of(run), "reference"), 0.5)

    assert report.verdict is Verdict.COHERENT
    assert lines_of(caplog) == [
        "Vérification de la cohérence GPU/CPU...",
        "Test de cohérence réussi (décalage max: 0ms)",
    ]


def test_a_lost_speaker_is_a_drift(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """Told as an error, with the worst criterion."""
    candidate = inferred(run, TURNS[:1])
    report = compare(candidate, staged(run, candidate), staged(run, reference_of(run), "reference"), 0.5)

    assert report.verdict is Verdict.DRIFT
    assert [line for line in lines_of(caplog) if line != log_lines.COHERENCE_CHECK] == [report.sentence]


def test_without_a_reference_nothing_was_proved(run: Run) -> None:
    """A GPU's output alone is unverified, never a pass."""
    candidate = inferred(run)

    assert compare(candidate, staged(run, candidate), None, 0.5).verdict is Verdict.UNVERIFIED


def test_the_references_own_output_is_never_a_pass(tmp_path: Path) -> None:
    """Computed on CPU in FP32, it is published as what it is, even with a reference beside it."""
    run = run_of(tmp_path / "clip.mp4")
    outcome = inferred(run)
    table = staged(run, outcome)

    assert compare(outcome, table, table, 0.5).verdict is Verdict.REFERENCE
    assert compare(outcome, table, None, 0.5).criteria == ()


def test_a_table_that_was_spoilt_on_disk_is_a_storage_error(run: Run) -> None:
    """Also where nothing is compared: what would be published is read back first."""
    candidate = inferred(run)
    table = staged(run, candidate)
    table.timeline.write_bytes(table.timeline.read_bytes()[:100])

    with pytest.raises(StorageError):
        compare(candidate, table, None, 0.5)


def test_why_an_output_is_the_references_own(run: Run) -> None:
    """Nothing to compute, a device that failed, or a machine that computes like the reference."""
    reference = reference_of(run)
    after_failure = replace(reference, plan=run.plan.on_cpu_instead("out of memory"))

    assert "no_audio_stream" in reference_reason(silent_inference(run.plan))
    assert "after the device failed (out of memory)" in reference_reason(after_failure)
    assert reference_reason(reference) == "computed on CPU in FP32, as the reference would be"


def test_the_scripted_candidate_is_not_the_reference(run: Run) -> None:
    """Or the tests above would compare nothing."""
    assert not job_of(run, ScriptedDiarizer(TURNS)).plan.is_reference


def test_turns_with_one_speaker_at_a_time_must_agree_too(run: Run) -> None:
    """Timelines that agree are no pass where the exclusive turns, which are published as well, do not."""
    first, second = (Turn(0.5, 2.0, "SPEAKER_00"),), (Turn(0.5, 1.8, "SPEAKER_00"), Turn(1.8, 3.5, "SPEAKER_01"))
    exclusive = replace(run, configuration=run.configuration.model_copy(update={"exclusive": True}))
    candidate = inferred(exclusive)
    sides = {
        name: staged(exclusive, replace(candidate, diarization=replace(candidate.diarization, exclusive=turns)), name)
        for name, turns in {"candidate": first, "same": first, "reference": second}.items()
    }
    agreed, drifted = (compare(candidate, sides["candidate"], sides[name], 0.5) for name in ("same", "reference"))

    assert (agreed.verdict, drifted.verdict) == (Verdict.COHERENT, Verdict.DRIFT)
    assert any("one speaker at a time" in note for note in drifted.notes)

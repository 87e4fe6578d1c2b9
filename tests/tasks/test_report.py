"""The page of a run: written where its candidate failed, and never in the way of the verdict."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest
from media_samples import clip
from pages import pair

from profiles.settings import Configuration
from tasks.device import plan_device
from tasks.engine.core.choices import Verdict
from tasks.engine.core.errors import MediaError
from tasks.engine.core.summary import Summary
from tasks.engine.formats.timeline_parquet import write_timeline
from tasks.engine.gate.drift_report import DriftReport
from tasks.engine.gate.tolerance import Tolerance
from tasks.engine.gate.verdict import compare
from tasks.engine.testing import CPU_ONLY
from tasks.media import probe
from tasks.report import page, sound_from
from tasks.run import Run, StagedTimeline

pytestmark = pytest.mark.usefixtures("clean_settings")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run whose staging area is there."""
    del tmp_path
    configuration = Configuration.resolve()
    video = clip(Path.cwd() / "clip.wav")
    run = Run(probe(video), CPU_ONLY, plan_device(configuration, CPU_ONLY), configuration, {}, Path.cwd())
    run.staging.mkdir(parents=True)
    return run


def staged(run: Run, name: str, timeline: object) -> StagedTimeline:
    """A timeline, written where a run stages it."""
    path = run.staging / name / "timeline.parquet"
    path.parent.mkdir()
    write_timeline(path, timeline)  # type: ignore[arg-type]
    summary = Summary(0, 0, 0.0, None, (), 0.0, 0.0)
    return StagedTimeline(path, path.with_name("turns.parquet"), summary, {})


def test_a_drift_has_a_page_of_both_sides(run: Run) -> None:
    """Beside the staged files, with the verdict in it."""
    reference, candidate = pair()
    report = compare(reference, candidate)
    path = page(run, report, staged(run, "candidate", candidate), staged(run, "reference", reference), None)

    assert report.verdict is Verdict.DRIFT
    assert path == run.staging / "report.html"
    assert "drift" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("verdict", [Verdict.COHERENT, Verdict.REFERENCE, Verdict.UNVERIFIED])
def test_what_passes_has_none(run: Run, verdict: Verdict) -> None:
    """No page, and nothing staged that would be published with it."""
    report = DriftReport(verdict, Tolerance(), reason="a test")

    assert page(run, report, StagedTimeline(Path("x"), Path("y"), None, {}), None, None) is None  # type: ignore[arg-type]
    assert list(run.staging.iterdir()) == []


def test_a_page_that_cannot_be_written_is_a_warning(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """What the gate decided does not depend on it."""
    reference, candidate = pair()
    report = replace(compare(reference, candidate))
    sides = staged(run, "candidate", candidate), staged(run, "reference", reference)
    (run.staging / "report.html").mkdir()
    with caplog.at_level(logging.WARNING, "step4.report"):
        assert page(run, report, *sides, None) is None

    assert "report.html could not be written" in caplog.text


def test_the_sound_of_a_page_is_what_a_run_would_hear(tmp_path: Path) -> None:
    """Decoded at the models' rate; a file without sound says what would be accepted."""
    with sound_from(clip(tmp_path / "clip.mp4"), None) as sound:
        assert sound.sample_rate == 16_000
        assert len(sound.samples) == pytest.approx(5 * 16_000, abs=1600)
    silent = clip(tmp_path / "silent.mkv", [])
    with pytest.raises(MediaError, match="has no sound"), sound_from(silent, None):
        pass

"""Do the GPU and the CPU tell the same story? Emulated on any machine, real where a CUDA device is."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from speech import cpu_plan, recording

from tasks.engine.core.choices import Verdict
from tasks.engine.core.constants import SAMPLE_RATE
from tasks.engine.core.frames import FrameGrid
from tasks.engine.core.timeline import rows
from tasks.engine.devices.facts import probe
from tasks.engine.devices.plan import DevicePlan
from tasks.engine.formats import timeline_parquet
from tasks.engine.formats.detect import load_timeline
from tasks.engine.gate.drift_report import DriftReport
from tasks.engine.gate.verdict import compare
from tasks.engine.inference.diarizer import diarize
from tasks.engine.inference.types import Diarization, Parameters
from tasks.engine.media.sample import QUIET

pytestmark = pytest.mark.slow

SPEECH = recording()[7 * SAMPLE_RATE : 19 * SAMPLE_RATE]
"""Twelve seconds with both speakers and their overlap: half precision takes a CPU 3 s a window, and these are three."""
LEVELS = {"as recorded": 1.0, "-80 dB": QUIET}


@pytest.fixture(scope="module")
def reference() -> dict[str, Diarization]:
    """The CPU's FP32 answer at each level."""
    return {name: diarize(SPEECH * np.float32(gain), cpu_plan(), Parameters()) for name, gain in LEVELS.items()}


def gate(reference: Diarization, candidate: Diarization, folder: Path) -> DriftReport:
    """Lay both on frames and compare, through the files as in a run."""
    grid = FrameGrid(round(25 * len(reference.scores.values) * reference.scores.step), Fraction(25))
    for name, found in (("reference", reference), ("candidate", candidate)):
        source = {"source": {"name": "clip.mp4", "fps": "25/1"}}
        timeline_parquet.write(folder / f"{name}.parquet", rows(found.turns, found.scores, grid), source)
    return compare(load_timeline(folder / "reference.parquet"), load_timeline(folder / "candidate.parquet"))


@pytest.mark.parametrize("level", LEVELS)
def test_safe_mixed_precision_agrees_with_the_reference(
    reference: dict[str, Diarization], level: str, tmp_path: Path
) -> None:
    """Only embeddings in half precision: coherent at every level, even where naive FP16 loses the speech."""
    samples = SPEECH * np.float32(LEVELS[level])
    report = gate(reference[level], diarize(samples, cpu_plan("mixed"), Parameters()), tmp_path)

    assert report.verdict is Verdict.COHERENT, report.sentence


def test_bfloat16_agrees_with_the_reference(reference: dict[str, Diarization], tmp_path: Path) -> None:
    """BF16 works, where stock pyannote crashes, and flips no frame: segmentation is in FP32."""
    found = diarize(SPEECH, cpu_plan("mixed", autocast_dtype="bfloat16"), Parameters())
    report = gate(reference["as recorded"], found, tmp_path)

    assert report.verdict is Verdict.COHERENT, report.sentence
    assert report.criterion("flipped_frames_percent").value == 0


def test_the_incident_is_caught(reference: dict[str, Diarization], tmp_path: Path) -> None:
    """Naive autocast on quiet audio loses most of the speech, and the gate says so."""
    samples = SPEECH * np.float32(QUIET)
    lost = diarize(samples, cpu_plan("naive", level="none"), Parameters())
    report = gate(reference["-80 dB"], lost, tmp_path)

    assert report.verdict is Verdict.DRIFT
    assert report.criterion("flipped_frames_percent").value > 20


def test_the_recording_level_does_not_matter(reference: dict[str, Diarization], tmp_path: Path) -> None:
    """The same speech at -80 dB gives the same timeline, since the waveform is levelled in float first."""
    report = gate(reference["as recorded"], reference["-80 dB"], tmp_path)

    assert report.verdict is Verdict.COHERENT, report.sentence


@pytest.mark.parametrize("batch_size", [1, 7])
def test_the_batch_size_does_not_matter(reference: dict[str, Diarization], batch_size: int, tmp_path: Path) -> None:
    """No frame flips however windows are grouped."""
    found = diarize(SPEECH, cpu_plan(batch_size=batch_size), Parameters())
    report = gate(reference["as recorded"], found, tmp_path)

    assert report.criterion("flipped_frames_percent").value == 0


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "mixed"])
@pytest.mark.parametrize("level", LEVELS)
def test_a_real_gpu_agrees_with_the_reference(precision: str, level: str, tmp_path: Path) -> None:
    """FP32 and safe mixed precision on the CUDA device of this machine against its CPU."""
    cards = probe().cuda
    if not cards:
        pytest.skip("no CUDA device on this machine: the emulated tests above stand in")
    card = cards[0]
    plan = DevicePlan(
        f"cuda:{card.index}", f"cuda:{card.index}", card.name, precision, "float16", 8, 2, "rms", "none", ""
    )
    samples = recording() * np.float32(LEVELS[level])
    report = gate(diarize(samples, cpu_plan(), Parameters()), diarize(samples, plan, Parameters()), tmp_path)

    assert report.verdict is Verdict.COHERENT, report.sentence

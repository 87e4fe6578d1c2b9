"""What a run shows on the server: nothing that could break the page, and progress that does not flood it."""

from dataclasses import replace
from pathlib import Path

import pytest
from stages import job_of, run_of, silence

from tasks.diarize import diarize
from tasks.engine.core.choices import Decision, Verdict
from tasks.engine.gate.criteria import Criterion
from tasks.engine.gate.drift_report import DriftReport
from tasks.engine.gate.findings import SpotCheck
from tasks.engine.gate.tolerance import Tolerance
from tasks.orchestration.artifacts import LARGEST_PICTURE, details, image, key, markdown, plain, table
from tasks.timeline import build_timeline

NEIGHBOURS = {"speech": {"value": 0.11, "window": 40, "line": 0.18}}


@pytest.mark.parametrize(
    ("stem", "expected"), [("Clip_01 (final)", "criteria-clip-01-final"), ("été", "criteria-t"), ("東京", "criteria")]
)
def test_keys_hold_what_prefect_takes(stem: str, expected: str) -> None:
    """Lowercase letters, digits and dashes, whatever the video is called."""
    assert key("criteria", stem) == expected


def test_names_are_never_markup() -> None:
    """A file's name cannot bring HTML, an image or a table cell into the page."""
    assert plain("<img src=x>|![a](b)") == r"\<img src=x\>\|!\[a\](b)"


def test_a_picture_too_large_is_left_out() -> None:
    """The server's database keeps every artifact."""
    assert "too large" in image(b"0" * (LARGEST_PICTURE + 1))
    assert image(b"png").startswith("![who speaks when](data:image/png;base64,")


@pytest.mark.usefixtures("clean_settings")
def test_what_people_should_know_of_the_sound_is_said(tmp_path: Path) -> None:
    """Each note of the source is a line of the page, as text."""
    run = run_of(tmp_path / "clip.mp4")
    staged = build_timeline(
        run, diarize(job_of(run)), replace(silence(run), notes=("track *1* is silent",)), "candidate"
    )
    page = markdown(run, DriftReport(Verdict.REFERENCE, Tolerance()), staged, Decision.PUBLISH, b"")
    assert r"Note: track \*1\* is silent" in page


@pytest.mark.usefixtures("clean_settings")
def test_a_reference_by_sample_tells_its_figures(tmp_path: Path) -> None:
    """How many windows of how many and which, scores, embeddings, decisions, neighbours, the bound, the seed."""
    run = run_of(tmp_path / "clip.mp4")
    staged = build_timeline(run, diarize(job_of(run)), silence(run), "candidate")
    check = SpotCheck(
        591, (3, 590), 77, 0.0123, 0.0045, 5, 1178, 1, 0.0491, 0.95, proves_grouping=True, neighbours=NEIGHBOURS,
        outliers=(41,), regrouped=4,
    )  # fmt: skip
    report = DriftReport(Verdict.COHERENT, Tolerance(), spot_check=check)
    page = markdown(run, report, staged, Decision.PUBLISH, b"")

    lines = page.splitlines()
    for title, value in (
        ("windows computed again on the CPU", "2 of 591, 1 beyond the limits"),
        ("share of all windows beyond the limits", "at most 4.91 %, with 95 % confidence"),
        ("largest difference of a speech score", "0.012"),
        ("largest cosine distance of embeddings", "0.0045"),
        ("frames whose active speakers differ", "5 / 1178"),
        ("worst window beside its neighbours, and from where on it is computed again", "speech 0.11 / 0.18"),
        ("computed again because they lie apart from their neighbours", "41"),
        ("clusterings that stayed within the limits, embeddings moved as the drawn ones differ", "4"),
        ("windows drawn", "3, 590"),
        ("seed of the draw", "77"),
    ):
        assert f"- {title}: {value}" in lines
    assert f"Reference {check.sentence}." in lines


def test_no_detail_is_cut_off() -> None:
    """The table is narrow enough for the page, and what was found where stands below it, a line each."""
    found = Criterion("first_offset_sec", "first detection offset", 3.0, 2.0, "s", strict=True, detail="3.04 | 0.04 s")
    assert "0.04" not in table((found,))
    assert table((found,)).splitlines()[0] == "| criterion | value | limit | result |"
    assert details((found, replace(found, detail=""))) == r"- first detection offset: 3.04 \| 0.04 s"

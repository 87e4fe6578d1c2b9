"""What a reference by sample found, on the page."""

from dataclasses import replace
from pathlib import Path

import pytest
from pages import pair

from tasks.engine.gate.findings import SpotCheck
from tasks.engine.gate.verdict import compare
from tasks.engine.report import sample
from tasks.engine.report.messages import LANGUAGES, load_messages
from tasks.engine.report.page import Side, write

CHECK = SpotCheck(
    windows=591,
    recomputed=(3, 12, 590),
    seed=77,
    largest_score_difference=0.0123,
    largest_embedding_distance=0.00456,
    differing_decisions=5,
    decisions=1767,
    beyond=1,
    share_at_most=0.0491,
    confidence=0.95,
    proves_grouping=True,
    neighbours={"speech": {"value": 0.111, "window": 40, "line": 0.18}},
    outliers=(41, 42),
    regrouped=4,
)


def test_every_figure_has_a_row() -> None:
    """Windows, the bound, scores, embeddings, decisions, neighbours, outliers, repetitions, and which were drawn."""
    rows = dict(sample.rows(load_messages("en"), CHECK.to_dict()))

    assert rows["windows computed again on the CPU"] == "3 of 591, 1 beyond the limits"
    assert rows["share of all windows beyond the limits"] == "at most 4.91 %, with 95 % confidence"
    assert rows["largest difference of a speech score"] == "0.012"
    assert rows["largest cosine distance of embeddings"] == "0.0046"
    assert rows["frames whose active speakers differ"] == "5 / 1767"
    assert "speech 0.11 / 0.18" in rows.values()
    assert {"41, 42", "4", "3, 12, 590", "77"} <= set(rows.values())


def test_what_was_not_compared_is_said() -> None:
    """Nobody spoke, nothing lay apart, and the shared engine proves no grouping: in both languages, no empty cell."""
    bare = replace(CHECK, largest_embedding_distance=None, neighbours={}, outliers=(), proves_grouping=False).to_dict()
    for language in LANGUAGES:
        values = [value for _, value in sample.rows(load_messages(language), bare)]
        assert all(values)
    assert "not measured" in dict(sample.rows(load_messages("en"), bare)).values()


@pytest.mark.parametrize(
    "check",
    [
        None,
        {},
        "by hand",
        ["x"],
        {"windows": 9},
        CHECK.to_dict() | {"recomputed": 3},
        CHECK.to_dict() | {"neighbours": 1},
    ],
)
def test_no_sample_has_no_rows(check: object) -> None:
    """Another reference, or a manifest that somebody wrote by hand."""
    assert sample.rows(load_messages("en"), check) == []  # type: ignore[arg-type]


def test_publications_of_before_have_rows() -> None:
    """Outliers and repetitions came later."""
    check = {key: value for key, value in CHECK.to_dict().items() if key not in {"outliers", "regrouped"}}
    assert dict(sample.rows(load_messages("en"), check))["windows drawn"] == "3, 12, 590"


def test_a_doubt_stands_on_the_page_of_a_drift(tmp_path: Path) -> None:
    """Beside the figures: why the whole reference was computed."""
    reference, candidate = pair()
    doubted = replace(compare(reference, candidate), spot_check=replace(CHECK, doubts=("window 3 <differs>",)))
    write(tmp_path / "page.html", Side(candidate, "c"), Side(reference, "r"), doubted)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")

    assert "Why the whole reference was needed" in page
    assert "window 3 &lt;differs&gt;" in page
    assert "3 sur 591, dont 1 au-delà des limites" in page

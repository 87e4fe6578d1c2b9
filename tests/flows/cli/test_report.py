"""`step4 report`: the page that it writes."""

import json
from pathlib import Path

import pytest
from command import step4
from media_samples import clip

from tasks.engine.system.atomic import sha256_of

SAMPLE = {
    "windows": 591,
    "recomputed": [3, 12],
    "seed": "77",
    "largest_score_difference": 0.01,
    "largest_embedding_distance": None,
    "differing_decisions": 0,
    "decisions": 1178,
    "beyond": 0,
    "share_at_most": 0.1,
    "confidence": 0.95,
    "proves_grouping": True,
    "neighbours": {},
    "doubts": [],
}

pytestmark = pytest.mark.usefixtures("clean_settings")


def test_a_page_of_two_files_is_written(old: Path, shifted: Path, tmp_path: Path) -> None:
    """By `report --against` and by `compare --html`: the verdict stands in it, in the language asked for."""
    page = tmp_path / "page.html"
    assert step4("report", shifted, "--against", old, "-o", page, "--lang", "fr") == 0
    assert "Divergence : le candidat" in page.read_text(encoding="utf-8")
    assert '<html lang="fr">' in page.read_text(encoding="utf-8")
    assert step4("compare", old, shifted, "--html", page) == 3
    assert '<th scope="col">candidate</th>' in page.read_text(encoding="utf-8")


def test_a_page_of_one_file_with_its_sound_is_written(old: Path, tmp_path: Path) -> None:
    """The waveform and the sound of a video stand in the page."""
    page, video = tmp_path / "page.html", clip(tmp_path / "clip.mp4")
    assert step4("report", old, "-o", page, "--audio", video) == 0
    assert "data:audio/mp4;base64," in page.read_text(encoding="utf-8")
    assert step4("report", old, "-o", page, "--audio", tmp_path / "absent.mp4") == 4


def test_a_published_timeline_says_what_was_proved(old: Path, tmp_path: Path) -> None:
    """The sentence and the sample's figures of its manifest; not once the file is another than was published."""
    table = tmp_path / "talk_timeline.parquet"
    assert step4("import", old, "-o", table) == 0
    files = {table.name: {"sha256": sha256_of(table), "bytes": table.stat().st_size}}
    proved = {"files": files, "verdict_sentence": "coherent: all of it.", "spot_check": SAMPLE}
    (tmp_path / "talk_step4.json").write_text(json.dumps(proved))
    page = tmp_path / "page.html"
    assert step4("report", table, "-o", page) == 0
    assert "coherent: all of it." in page.read_text(encoding="utf-8")
    assert "2 of 591, 0 beyond the limits" in page.read_text(encoding="utf-8")

    files[table.name]["sha256"] = "0" * 64
    (tmp_path / "talk_step4.json").write_text(json.dumps(proved))
    assert step4("report", table, "-o", page) == 0
    assert "2 of 591" not in page.read_text(encoding="utf-8")

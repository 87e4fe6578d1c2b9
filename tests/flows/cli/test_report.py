"""`step4 report`: the page that it writes."""

from pathlib import Path

import pytest
from command import step4
from media_samples import clip

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

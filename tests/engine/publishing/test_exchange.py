"""Exchange copies: made from the tables, and left to whoever rewrites them."""

from fractions import Fraction
from pathlib import Path

import pytest
from turn_lists import TURNS, assert_close

from tasks.engine.core.frames import FrameGrid
from tasks.engine.core.timeline import timeline_of
from tasks.engine.formats import rttm
from tasks.engine.formats.detect import load
from tasks.engine.publishing.exchange import changed_by_others, damage, is_lacking, write
from tasks.engine.system.atomic import sha256_of


@pytest.mark.parametrize("suffix", ["_audio.json", "_audio.json.gz"])
def test_copies_say_what_the_tables_say(tmp_path: Path, suffix: str) -> None:
    """The frames as JSON, gzipped where that is asked for, and the turns as RTTM."""
    table = timeline_of(TURNS, None, FrameGrid(80, Fraction(25)))
    copies = write(tmp_path, table, TURNS, suffix, "clip")

    assert copies.keys() == {suffix, ".rttm"}
    assert (load(copies[suffix]).active == table.active).all()
    assert_close(rttm.read(copies[".rttm"]), TURNS, 1e-6)


def manifest_of(folder: Path) -> dict[str, object]:
    """A manifest that lists all files of a folder."""
    return {"files": {path.name: {"sha256": sha256_of(path)} for path in folder.iterdir()}}


def test_only_copies_that_are_there_and_differ_are_changed(tmp_path: Path) -> None:
    """Not a table, whatever is in it; not a copy that somebody has used up; without a manifest nothing."""
    for name in ("clip_timeline.parquet", "clip_audio.json", "clip.rttm", "clip_audio.json.gz"):
        (tmp_path / name).write_text(name)
    manifest = manifest_of(tmp_path)
    (tmp_path / "clip_timeline.parquet").write_text("other")
    (tmp_path / "clip_audio.json").write_text("other")
    (tmp_path / "clip.rttm").unlink()

    assert list(changed_by_others(tmp_path, manifest)) == [tmp_path / "clip_audio.json"]
    assert list(changed_by_others(tmp_path, None)) == []
    assert is_lacking(tmp_path, manifest)
    (tmp_path / "clip.rttm").touch()
    (tmp_path / "clip_timeline.parquet").unlink()
    assert not is_lacking(tmp_path, manifest)


@pytest.mark.parametrize(
    ("name", "content", "damaged"),
    [
        ("x_audio.json", '{"frames_analysis": [{"frame": 1, "audio_info": {"is_speech_present": true}}]}', False),
        ("x_audio.json", '{"frames_analysis": [{"frame": 1, "audio_info": {"is_sp', True),
        ("x_audio.json", "", True),
        ("x_audio.json.gz", "not gzip", True),
        ("x.rttm", "SPEAKER clip 1 0.5 1.0 <NA> <NA> Anne <NA> <NA>\n", False),
        ("x.rttm", "SPEAKER clip 1 0.5 1.0 <NA> <N", True),
        ("x.rttm", "", False),
    ],
)
def test_a_copy_is_damaged_where_nobody_can_read_it(tmp_path: Path, name: str, content: str, damaged: bool) -> None:
    """The older shape that later steps write is no damage; half a file is."""
    (tmp_path / name).write_text(content)

    assert bool(damage(tmp_path / name)) == damaged

"""Names that people, cameras and other programs give to files: whatever is UTF-8 and fits is published under it."""

import json
import os
from pathlib import Path

import pytest
from media_samples import clip
from scripted_runs import TURNS, publish

from flows.recipes.audio_analysis import analyse_video
from tasks.engine.core.errors import UsageError
from tasks.engine.formats import rttm
from tasks.engine.formats.detect import load_timeline
from tasks.engine.publishing.manifest import load_verified_manifest
from tasks.engine.system import sandbox

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("clean_settings")]

NAMES = [
    "Film [x264] [fin]",
    "-i",
    "--output",
    "file:evil",
    "concat:a|b",
    "http:x",
    "clip%03d",
    "100 % [bold red]",
    "*?",
    "a\\b",
    "quo'te\"s",
    "$HOME `id` $(id)",
    "{{ event.payload.video }}",
    "{0} {x!r}",
    "#1; rm -rf",
    "line\nbreak",
    "tab\tand\r",
    "bell\x07\x1b[31m",
    "🎬 famille 👨‍👩‍👧",
    "Zoe\u0308 and Zoë",
    "עברית\u202egnp",
    "日本語 テスト",
    "u\u2028v\u0085w",
    " leading and trailing ",
    "clip.tar.v1",
    "..dots..",
    "<script>&amp;",
    "CON",
    "a" * 238,
    "é" * 119,
]


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of a plain name."""
    return clip(tmp_path_factory.mktemp("clips") / "clip.mkv")


@pytest.mark.parametrize("stem", NAMES, ids=lambda name: ascii(name[:20]))
def test_an_odd_name_is_published_as_it_is(one: Path, tmp_path: Path, stem: str) -> None:
    """Every published file bears it, the tables and copies state it, and it is found again."""
    video = tmp_path / f"{stem}.mkv"
    os.link(one, video)
    published = publish(video, probe=sandbox.run)

    files = {video.name, f"{stem}_step4.json", *published.manifest["files"]}
    assert {path.name for path in tmp_path.iterdir()} == files | {".step4"}
    assert load_verified_manifest(published.path) is not None
    assert json.loads(published.path.read_text(encoding="utf-8"))["source"]["name"] == video.name
    for suffix in ("_timeline.parquet", "_audio.json"):
        assert load_timeline(tmp_path / f"{stem}{suffix}").video_filename == video.name
    assert rttm.read(tmp_path / f"{stem}.rttm") == list(TURNS)
    assert publish(video).already


@pytest.mark.parametrize("name", [b"caf\xe9.mkv", b"a" * 245 + b".mkv", b"a" * 251 + b".mkv", b"\xf0\x9f.mkv"])
def test_a_name_that_cannot_be_published_costs_no_work(one: Path, tmp_path: Path, name: bytes) -> None:
    """One sentence, before the video is opened; nothing is left."""
    video = tmp_path / "videos" / os.fsdecode(name)
    video.parent.mkdir()
    os.link(one, video)
    with pytest.raises(UsageError, match=r"rename it|shorten it by"):
        analyse_video(video)

    assert list(video.parent.iterdir()) == [video]

"""Manifests: what is read, what is verified, and whether a published timeline is current."""

import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.engine.core.errors import StorageError, UsageError
from tasks.engine.publishing.manifest import (
    find_manifests,
    is_current,
    load_manifest,
    load_verified_manifest,
    manifest_of,
    manifest_path,
    proved_by_sample,
    refusal_excess,
    require_verified_manifest,
    turns_published_with,
)
from tasks.engine.system.atomic import sha256_of

REQUEST = "asked for"


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A video with a manifest as a run leaves it."""
    path = tmp_path / "inbox" / "clip.mp4"
    path.parent.mkdir()
    path.write_bytes(b"moving pictures")
    (path.parent / "clip_timeline.parquet").write_bytes(b"table")
    status = path.stat()
    manifest = {
        "request_key": REQUEST,
        "video": str(path),
        "source": {"name": "clip.mp4", "sha256": sha256_of(path)},
        "video_stat": {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns},
        "device": {"fallback_reason": None},
        "files": {"clip_timeline.parquet": {"sha256": "0" * 64, "bytes": 5}},
    }
    (path.parent / "clip_step4.json").write_text(json.dumps(manifest))
    return path


def edit(of: Path, /, **changes: Any) -> None:
    """Change the manifest."""
    path = of.parent / "clip_step4.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_video_with_its_publication_is_current(video: Path) -> None:
    """Manifest, files and video as they were: nothing to do."""
    assert is_current(video, None, {REQUEST})


@pytest.mark.parametrize(
    "spoil",
    [
        lambda video: (video.parent / "clip_step4.json").unlink(),
        lambda video: (video.parent / "clip_step4.json").write_text("{"),
        lambda video: (video.parent / "clip_step4.json").write_text("[]"),
        lambda video: (video.parent / "clip_timeline.parquet").unlink(),
        lambda video: (video.parent / "clip_timeline.parquet").write_bytes(b"tab"),
        lambda video: video.write_bytes(b"other pictures altogether"),
        lambda video: (video.write_bytes(b"MOVING PICTURES"), os.utime(video, (1, 1))),
        lambda video: edit(video, request_key="other"),
        lambda video: edit(video, device={"fallback_reason": "out of memory"}),
        lambda video: edit(video, device={"fallback_reason": "lost", "planned": {"fallback_reason": None}}),
        lambda video: edit(video, device=None),
        lambda video: edit(video, source={"name": "clip.mkv", "sha256": sha256_of(video)}),
        lambda video: edit(video, video=__file__, source={"name": "clip.mp4", "sha256": "0" * 64}),
    ],
    ids=[
        "no manifest",
        "half a manifest",
        "another json",
        "file gone",
        "file cut",
        "video of another size",
        "video of the same size",
        "other request",
        "after a device failure",
        "after a device failure that was not planned",
        "no device",
        "another name",
        "of another video that exists",
    ],
)
def test_anything_else_needs_a_run(video: Path, spoil: Callable[[Path], Any]) -> None:
    """Where the manifest does not vouch for this video and this request, the run decides."""
    spoil(video)

    assert not is_current(video, None, {REQUEST})


def test_what_a_self_check_had_moved_to_the_cpu_is_current(video: Path) -> None:
    """The plan was the CPU before the run began, and no device failed in it: the next run would plan the same."""
    reason = "the self-check of fp32 on Fake GPU ended in drift"
    edit(video, device={"fallback_reason": reason, "planned": {"fallback_reason": reason}})

    assert is_current(video, None, {REQUEST})


def test_a_touched_video_is_recognised_by_its_content(video: Path) -> None:
    """Another time of change alone is no reason for a run: the checksum decides."""
    os.utime(video, (1, 1))

    assert is_current(video, None, {REQUEST})


def test_a_moved_folder_stays_current(video: Path) -> None:
    """The manifest names a path that is gone; name and content are the same."""
    moved = Path(shutil.move(video.parent, video.parents[1] / "archive"))

    assert is_current(moved / "clip.mp4", None, {REQUEST})


def test_an_archive_that_was_copied_whole_is_current(video: Path) -> None:
    """The original is still there: the same name and content, told by sha256, is the same video."""
    copied = Path(shutil.copytree(video.parent, video.parents[1] / "copy"))

    assert is_current(copied / "clip.mp4", None, {REQUEST})
    (copied / "clip.mp4").write_bytes(b"MOVING PICTURES")
    assert not is_current(copied / "clip.mp4", None, {REQUEST})


def test_manifests_are_found_in_order_and_not_in_hidden_folders(video: Path) -> None:
    """What was refused or retired in the workspace is not published."""
    hidden = video.parent / ".step4" / "refused" / "clip" / "previous"
    hidden.mkdir(parents=True)
    (hidden / "clip_step4.json").touch()
    (video.parent / "b").mkdir()
    (video.parent / "b" / "a_step4.json").touch()

    assert [path.name for path in find_manifests([video.parent])] == ["clip_step4.json", "a_step4.json"]


def test_the_excess_of_a_refusal_is_read_from_its_report(video: Path) -> None:
    """The failed criterion most over its limit; over a limit of 0 it is infinite; without a report it is 0."""
    assert refusal_excess(video, None) == 0
    folder = video.parent / ".step4" / "refused" / "clip"
    folder.mkdir(parents=True)
    criteria = [
        {"value": 12.0, "limit": 5.0, "passed": False},
        {"value": 1.0, "limit": 0.25, "passed": False},
        {"value": 0.1, "limit": 0.01, "passed": True},
    ]
    (folder / "drift.json").write_text(json.dumps({"criteria": criteria}))
    assert refusal_excess(video, None) == 4
    criteria.append({"value": 1.0, "limit": 0.0, "passed": False})
    (folder / "drift.json").write_text(json.dumps({"criteria": criteria}))
    assert math.isinf(refusal_excess(video, None))


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A manifest with the two tables that every publication has."""
    for name in ("clip_timeline.parquet", "clip_turns.parquet"):
        (tmp_path / name).write_bytes(name.encode())
    files = {
        path.name: {"sha256": sha256_of(path), "bytes": path.stat().st_size}
        for path in tmp_path.iterdir()
        if path.is_file()
    }
    path = tmp_path / "clip_step4.json"
    path.write_text(json.dumps({"files": files, "verdict": "coherent"}))
    return path


def test_a_whole_publication_is_read_by_every_reader(whole: Path) -> None:
    """The three differ only in what they ask of the files."""
    content = json.loads(whole.read_text())

    assert load_manifest(whole) == load_verified_manifest(whole) == require_verified_manifest(whole) == content


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda path: path.unlink(), "cannot be read as a manifest"),
        (lambda path: path.write_text("{"), "cannot be read as a manifest"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "cannot be read as a manifest"),
        (lambda path: path.write_text("[]"), "cannot be read as a manifest"),
        (lambda path: path.write_text("{}"), "cannot be read as a manifest"),
        (lambda path: path.write_text('{"files": []}'), "cannot be read as a manifest"),
        (lambda path: path.write_text('{"files": {"clip_timeline.parquet": 1}}'), "cannot be read as a manifest"),
        (lambda path: path.write_text('{"files": {"a\\u0000b": {"sha256": ""}}}'), "cannot be read as a manifest"),
        (lambda path: path.write_text('{"files": {}}'), "cannot be read as a manifest"),
        (lambda path: (path.parent / "clip_turns.parquet").unlink(), "clip_turns.parquet could not be read"),
        (lambda path: (path.parent / "clip_turns.parquet").write_bytes(b"x"), "clip_turns.parquet was changed"),
    ],
    ids=[
        "gone",
        "half",
        "other encoding",
        "list",
        "no files",
        "files in a list",
        "file without checksum",
        "impossible name",
        "no tables",
        "a file gone",
        "a file changed",
    ],
)
def test_what_is_not_whole_is_refused_with_the_reason(whole: Path, spoil: Callable[[Path], Any], sentence: str) -> None:
    """One reader gives None, the other says which file is to blame."""
    spoil(whole)

    assert load_verified_manifest(whole) is None
    with pytest.raises(StorageError, match=sentence):
        require_verified_manifest(whole)


def test_a_manifest_can_be_read_without_its_files(whole: Path) -> None:
    """Ten thousand of them are counted without reading a single table."""
    (whole.parent / "clip_timeline.parquet").unlink()

    assert load_manifest(whole) is not None


@pytest.mark.parametrize(
    ("check", "by_sample"),
    [(None, False), ({}, False), ({"doubts": []}, True), ({"doubts": ["window 5"]}, False), ("yes", True), ([1], True)],
)
def test_what_rests_on_a_sample_is_told_from_any_manifest(check: object, *, by_sample: bool) -> None:
    """Doubts mean that the whole was computed; what cannot be read was not proved as a whole, and ends no audit."""
    assert proved_by_sample({"spot_check": check}) is by_sample
    assert not proved_by_sample({})


def test_a_manifest_lies_beside_its_video_or_in_the_output_folder(tmp_path: Path) -> None:
    """Named by the stem of the video."""
    video = tmp_path / "clip.part1.mp4"

    assert manifest_path(video, None) == tmp_path / "clip.part1_step4.json"
    assert manifest_path(video, tmp_path / "out") == tmp_path / "out" / "clip.part1_step4.json"


@pytest.mark.parametrize("name", ["clip_audio.json", "clip_audio.json.gz", "clip.rttm"])
@pytest.mark.parametrize("content", [b"rewritten by a later step", b"", None])
def test_a_copy_that_others_rewrote_or_took_makes_nothing_stale(
    video: Path, whole: Path, name: str, content: bytes | None
) -> None:
    """The tables are the truth: the manifest is whole without its copies, and the video needs no run."""
    files = {name: {"sha256": "0" * 64, "bytes": 7}}
    for path in (video.with_name("clip_step4.json"), whole):
        manifest = json.loads(path.read_text())
        path.write_text(json.dumps(manifest | {"files": manifest["files"] | files}))
        if content is not None:
            (path.parent / name).write_bytes(content)

    assert is_current(video, None, {REQUEST})
    assert load_verified_manifest(whole) is not None


@pytest.mark.parametrize("files", [None, [], {}, {"clip_timeline.parquet": None}, {"clip_timeline.parquet": {}}, "x"])
def test_a_file_that_no_manifest_lists_has_none(video: Path, files: object) -> None:
    """Nor one whose manifest was written by hand, or which was changed since."""
    table = video.parent / "clip_timeline.parquet"
    edit(video, files={table.name: {"sha256": sha256_of(table)}})
    assert manifest_of(table) == load_manifest(manifest_path(video, None))

    edit(video, files=files)
    assert manifest_of(table) is None
    edit(video, files={table.name: {"sha256": "0" * 64}})
    assert manifest_of(table) is None


@pytest.mark.parametrize(("suffix", "exclusive"), [("_turns.parquet", False), ("_exclusive.parquet", True)])
@pytest.mark.parametrize("fault", ["", "not listed", "changed", "gone", "timeline changed", "no manifest"])
def test_a_table_belongs_to_a_timeline_if_one_manifest_lists_both(
    video: Path, suffix: str, *, exclusive: bool, fault: str
) -> None:
    """A file of the right name may be of another run: what lies there is trusted only as it was published."""
    timeline, turns = video.with_name("clip_timeline.parquet"), video.with_name(f"clip{suffix}")
    turns.write_bytes(b"turns")
    listed = (timeline,) if fault == "not listed" else (timeline, turns)
    edit(video, files={path.name: {"sha256": sha256_of(path)} for path in listed})
    if "changed" in fault:
        (timeline if "timeline" in fault else turns).write_bytes(b"of another run")
    elif fault in ("gone", "no manifest"):
        (turns if fault == "gone" else manifest_path(video, None)).unlink()

    if fault and exclusive:
        with pytest.raises(UsageError, match="was published with --exclusive, beside a manifest"):
            turns_published_with(timeline, exclusive=True)
    else:
        assert turns_published_with(timeline, exclusive=exclusive) == (None if fault else turns)


@pytest.mark.parametrize("name", ["clip_turns.parquet", "clip_audio.json", "clip.rttm", ".", "gone_timeline.parquet"])
def test_what_is_no_timeline_has_no_turns_with_it(tmp_path: Path, name: str) -> None:
    """Who would speak alone cannot be told from it: the run has to be asked."""
    assert turns_published_with(tmp_path / name) is None
    with pytest.raises(UsageError, match="was published with --exclusive"):
        turns_published_with(tmp_path / name, exclusive=True)

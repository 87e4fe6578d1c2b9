"""The audit: published timelines held against a reference that is computed afresh; only the networks are scripted.

What it finds is asked of its recipe; that it is told on a server, of the flow.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from media_samples import clip
from probing import probed_here
from served import newest_artifact, run_that_made

from flows.audit import audit
from flows.cli.main import main
from flows.recipes.audit import audit_folders
from flows.recipes.batch import run_batch
from tasks.engine.core.errors import BatchError
from tasks.engine.core.turns import Turn
from tasks.engine.dependencies import Dependencies, use_dependencies
from tasks.engine.testing import CPU_ONLY, ScriptedDiarizer, no_patching, nothing_to_load, sound_low_precision

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("clean_settings")]

TURNS = (Turn(0.5, 2.0, "SPEAKER_00"), Turn(1.8, 3.5, "SPEAKER_01"))


def dependencies(diarizer: Any) -> Dependencies:
    """The outside world with these networks."""
    return Dependencies(
        run_probe=probed_here,
        device_facts=lambda: CPU_ONLY,
        diarizer=diarizer,
        explainer=no_patching,
        check_low_precision=sound_low_precision,
        preload=nothing_to_load,
    )


@pytest.fixture(scope="session")
def published_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three videos with their timelines, one of them without sound."""
    folder = tmp_path_factory.mktemp("archive")
    clip(folder / "a.mp4")
    shutil.copy(folder / "a.mp4", folder / "b.mp4")
    clip(folder / "silent.mp4", [], "", "25", "-an")
    with use_dependencies(dependencies(ScriptedDiarizer(TURNS))):
        run_batch([folder], here=True)
    return folder


@pytest.fixture
def archive(published_once: Path, tmp_path: Path) -> Path:
    """A copy of it in a folder of the test's own, as if published there."""
    folder = Path(shutil.copytree(published_once, tmp_path / "archive", copy_function=shutil.copy2))
    say_videos_are_in(folder, folder)
    return folder


def say_videos_are_in(place: Path, archive: Path) -> None:
    """Let the manifests of an archive name videos in that place."""
    for path in archive.glob("*_step4.json"):
        manifest = json.loads(path.read_text())
        path.write_text(json.dumps(manifest | {"video": str(place / manifest["source"]["name"])}))


def everything(folder: Path) -> dict[str, bytes]:
    """Content of every file."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def findings(archive: Path, diarizer: Any, audit: Callable[..., Any] = audit_folders) -> list[tuple[str, int]]:
    """(name, exit code) of what an audit of everything finds, the worst first."""
    with use_dependencies(dependencies(diarizer)), pytest.raises(BatchError) as caught:
        audit([archive], sample=100)
    return [(Path(one["video"]).name, one["exit_code"]) for one in caught.value.report["failures"]]


def test_what_is_still_true_is_confirmed_by_computing_it_again(archive: Path) -> None:
    """Everything published is recomputed, from no store, and nothing in the folder changes."""
    before = everything(archive)
    diarizer = ScriptedDiarizer(TURNS)
    with use_dependencies(dependencies(diarizer)):
        report = audit_folders([archive], sample=100)

    assert (report["exit_code"], report["published"], report["audited"], report["failed"]) == (0, 3, 3, 0)
    assert report["share_at_most"] == 0
    assert len(diarizer.calls) == 2
    assert all(plan.is_reference for plan in diarizer.calls)
    assert everything(archive) == before


@pytest.mark.usefixtures("prefect_server")
def test_drift_since_publication_fails_the_audit(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A reference that says something else today: exit code 3, the criteria in words, and still nothing is changed."""
    before = everything(archive)
    with use_dependencies(dependencies(ScriptedDiarizer(TURNS[:1]))), pytest.raises(SystemExit) as caught:
        main(["audit", str(archive), "--json"])
    report = json.loads(capsys.readouterr().out)

    assert caught.value.code == report["exit_code"] == 3
    assert [Path(one["video"]).name for one in report["failures"]] == ["a", "b"]
    assert "speaker count" in report["failures"][0]["error"]
    assert everything(archive) == before


def test_each_kind_of_damage_is_told_apart(archive: Path) -> None:
    """A changed file is storage, a changed or missing video is media; drift in the same sample comes first."""
    timeline = archive / "a_timeline.parquet"
    timeline.write_bytes(timeline.read_bytes()[:-1] + b"?")
    with (archive / "b.mp4").open("ab") as file:
        file.write(b"more")
    assert findings(archive, ScriptedDiarizer(TURNS)) == [("b", 4), ("a", 6)]

    (archive / "b.mp4").unlink()
    (archive / "a_turns.parquet").unlink()
    (archive / "silent_step4.json").write_text("{")
    assert findings(archive, ScriptedDiarizer(TURNS)) == [("b", 4), ("a", 6), ("silent", 6)]


def test_a_bug_or_other_models_are_findings_too(archive: Path) -> None:
    """What cannot be examined is never counted as good."""
    manifest = json.loads((archive / "a_step4.json").read_text())
    manifest["models"] = {"other.bin": "0" * 64}
    (archive / "a_step4.json").write_text(json.dumps(manifest))

    def buggy(*_: Any) -> Any:
        raise ZeroDivisionError

    assert findings(archive, buggy) == [("a", 5), ("b", 1)]


def test_a_moved_archive_is_audited_where_it_is(archive: Path, tmp_path: Path) -> None:
    """The manifest names a video that is gone; one of that name and content beside it is the same."""
    say_videos_are_in(tmp_path / "gone", archive)

    with use_dependencies(dependencies(ScriptedDiarizer(TURNS))):
        assert audit_folders([archive], sample=100)["failed"] == 0


def test_a_sample_says_less_than_the_whole(archive: Path) -> None:
    """One of three looked at: the bound is near 1, and the same seed looks at the same one."""
    diarizer = ScriptedDiarizer(TURNS)
    with use_dependencies(dependencies(diarizer)):
        report = audit_folders([archive], sample=1, seed=7)
        again = audit_folders([archive], sample=1, seed=7)

    assert report["audited"] == 1
    assert report["share_at_most"] > 0.9
    assert again == report
    assert "with 95% confidence" in report["sentence"]


@pytest.mark.usefixtures("prefect_server")
def test_the_findings_are_a_table_on_the_server(archive: Path) -> None:
    """The artifact stands before the run fails, the worst first."""
    findings(archive, ScriptedDiarizer(TURNS[:1]), audit)

    latest = newest_artifact("step4-audit")
    assert [row["exit code"] for row in json.loads(str(latest.data))] == [3, 3]
    assert "2 of 3" in str(latest.description)
    assert run_that_made(latest).name == f"audit · {archive.name} · 2 of 3 bad"


def test_an_empty_archive_is_no_proof(tmp_path: Path) -> None:
    """Nothing published, nothing audited: the bound says that nothing is known."""
    with use_dependencies(dependencies(ScriptedDiarizer(TURNS))):
        report = audit_folders([tmp_path])

    assert (report["published"], report["audited"], report["share_at_most"]) == (0, 0, 1.0)

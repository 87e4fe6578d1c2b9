"""Is what was published still true: what an audit looks at, and what it makes of it."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hub_box import hub_in_a_box, use
from media_samples import clip, noise
from scripted_runs import TURNS, dependencies, publish
from stand_in_models import COMMUNITY, SEGMENTATION, THREE, community, three, write

from tasks.audit import UNREADABLE, conclude, draw, examine, report_of, require_video, stratum_of
from tasks.engine.batch.outcomes import VideoOutcome
from tasks.engine.core.errors import BatchError, MediaError, UsageError
from tasks.engine.core.turns import Turn
from tasks.engine.models.fetching import fetch_set
from tasks.engine.models.registry import identity
from tasks.engine.testing import ScriptedDiarizer

OLD, NEW = "0" * 40, "1" * 40

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("clean_settings")]


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A folder with one published clip; the manifest."""
    return publish(clip(tmp_path / "clip.mkv")).path


def audited(folder: Path, diarizer: Any) -> list[VideoOutcome]:
    """The outcomes of a whole audit of a folder."""
    sample = draw([folder], 20, 1, lambda: datetime.now(UTC))
    return examine(sample, dependencies(diarizer))


def noting(asked: list[str]) -> Any:
    """Scripted networks that write down the model set they are asked for."""

    def networks(samples: Any, plan: Any, parameters: Any, progress: Any, **options: Any) -> Any:
        asked.append(parameters.models)
        return ScriptedDiarizer(TURNS)(samples, plan, parameters, progress, **options)

    return networks


def test_what_the_reference_still_says_is_coherent(published: Path) -> None:
    """Computed afresh: the networks are asked, not the stored inference, and nothing is written."""
    before = {path: path.stat().st_mtime_ns for path in published.parent.rglob("*")}
    networks = ScriptedDiarizer(TURNS)
    (outcome,) = audited(published.parent, networks)

    assert (outcome.exit_code, outcome.verdict) == (0, "coherent")
    assert len(networks.calls) == 1
    assert {path: path.stat().st_mtime_ns for path in published.parent.rglob("*")} == before


def test_what_it_no_longer_says_is_drift(published: Path) -> None:
    """With the worst criterion in the finding."""
    (outcome,) = audited(published.parent, ScriptedDiarizer((Turn(4.0, 4.5, "SPEAKER_00"),)))

    assert outcome.exit_code == 3
    assert "drift" in str(outcome.error)


def test_a_changed_file_is_found_before_anything_is_computed(published: Path) -> None:
    """Its checksum differs from the manifest's."""
    (published.parent / "clip_turns.parquet").write_text("rewritten\n")
    networks = ScriptedDiarizer(TURNS)
    (outcome,) = audited(published.parent, networks)

    assert outcome.exit_code == 6
    assert "clip_turns.parquet" in str(outcome.error)
    assert networks.calls == []


@pytest.mark.parametrize("name", ["clip_audio.json", "clip.rttm"])
def test_a_copy_that_others_rewrote_is_no_finding(published: Path, name: str) -> None:
    """It is said, and the timeline is what the reference says; one that was used up is nobody's loss."""
    older = '{"frames_analysis": [{"frame": 1, "audio_info": {"is_speech_present": false}}]}'
    copy = published.parent / name
    copy.write_text(older if name.endswith("json") else "SPEAKER clip 1 0 1 <NA> <NA> Anne <NA> <NA>\n")
    (rewritten,) = audited(published.parent, ScriptedDiarizer(TURNS))
    copy.unlink()
    (used_up,) = audited(published.parent, ScriptedDiarizer(TURNS))

    assert (rewritten.exit_code, rewritten.verdict, rewritten.changed) == (0, "coherent", (str(copy),))
    assert (used_up.exit_code, used_up.changed) == (0, ())


@pytest.mark.parametrize("name", ["clip_audio.json", "clip.rttm"])
def test_a_copy_that_is_cut_short_is_damaged(published: Path, name: str) -> None:
    """Nobody rewrote it: nobody can read it. The timeline is examined all the same, and a drift counts for more."""
    copy = published.parent / name
    copy.write_bytes(copy.read_bytes()[:-30])
    (damaged,) = audited(published.parent, ScriptedDiarizer(TURNS))
    (drifted,) = audited(published.parent, ScriptedDiarizer((Turn(4.0, 4.5, "SPEAKER_00"),)))

    assert (damaged.exit_code, drifted.exit_code) == (6, 3)
    assert "damaged, while its timeline is sound" in str(damaged.error)
    assert name in str(damaged.error)


def test_turns_with_one_speaker_at_a_time_are_audited_too(tmp_path: Path) -> None:
    """Timelines that agree are not enough where the published turns came from others."""
    alone, others = (Turn(0.5, 1.9, "SPEAKER_00"),), (Turn(1.9, 3.5, "SPEAKER_01"),)
    publish(clip(tmp_path / "clip.mkv"), ScriptedDiarizer(TURNS, exclusive=alone), exclusive=True)
    (same,) = audited(tmp_path, ScriptedDiarizer(TURNS, exclusive=alone))
    (other,) = audited(tmp_path, ScriptedDiarizer(TURNS, exclusive=others))

    assert (same.exit_code, other.exit_code) == (0, 3)


def test_the_video_is_looked_for_beside_its_files_and_where_it_was(published: Path, tmp_path: Path) -> None:
    """A folder that moved as a whole is audited; a video that is gone or has other content is not."""
    manifest = json.loads(published.read_text())
    moved = published.parent.rename(tmp_path.parent / f"{tmp_path.name}-moved") / published.name

    assert require_video(moved, manifest) == moved.parent / "clip.mkv"
    clip(moved.parent / "clip.mkv", noise())
    with pytest.raises(MediaError, match="was changed"):
        require_video(moved, manifest)
    (moved.parent / "clip.mkv").unlink()
    with pytest.raises(MediaError, match="is gone"):
        require_video(moved, manifest)


def test_models_of_a_branch_that_moved_on_are_taken_at_the_commit_that_was_used(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newer commit is in the cache, too, and the branch is at it: an audit asks whether the old result holds."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "cache" / f"models--{COMMUNITY.replace('/', '--')}"
    for commit, weights in (OLD, b"then"), (NEW, b"now"):
        write(community(weights), folder / "snapshots" / commit)
    write({"main": NEW.encode()}, folder / "refs")
    manifest = json.loads(published.read_text())
    manifest["parameters"]["models"], manifest["model_commits"] = COMMUNITY, {COMMUNITY: OLD}
    manifest["models"] = identity(f"{COMMUNITY}@{OLD}")
    published.write_text(json.dumps(manifest))
    asked: list[str] = []
    (outcome,) = audited(published.parent, noting(asked))

    assert (outcome.exit_code, outcome.verdict) == (0, "coherent")
    assert asked == [f"{COMMUNITY}@{OLD}"]


def test_every_repository_that_a_pipeline_names_is_taken_at_the_commit_that_was_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """3.1, published and audited out of a hub where its segmentation has moved on and was fetched since."""
    with hub_in_a_box() as box:
        for name, files in three(b"weights").items():
            box.add(name, files)
        use(box, tmp_path / "hub", monkeypatch)
        then = {name: repository.head for name, repository in box.repositories.items()}
        publish(clip(tmp_path / "clip.mkv"), models=THREE)
        box.repositories[SEGMENTATION].history.append({"pytorch_model.bin": b"better"})
        now = fetch_set(THREE)
    asked: list[str] = []
    (outcome,) = audited(tmp_path, noting(asked))

    assert now.commits[SEGMENTATION] != then[SEGMENTATION]
    assert (outcome.exit_code, outcome.verdict) == (0, "coherent")
    assert asked == [",".join(f"{name}@{commit}" for name, commit in then.items())]


def test_timelines_are_drawn_by_device_and_profile(published: Path) -> None:
    """A manifest that cannot be read is a stratum of its own: it is drawn too."""
    device, profile = stratum_of(published)
    (published.parent / "other_step4.json").write_text("not JSON")

    assert (bool(device), profile) == (True, "gpu_fp32")
    assert stratum_of(published.parent / "other_step4.json") == UNREADABLE


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """Before anything is drawn."""
    with pytest.raises(UsageError, match="nowhere does not exist"):
        draw([tmp_path / "nowhere"], 20, 1, lambda: datetime.now(UTC))


def test_the_report_bounds_the_share_of_bad_timelines(published: Path) -> None:
    """All of the published were audited: the share is known, and a finding fails the audit with its exit code."""
    sample = draw([published.parent], 20, 1, lambda: datetime.now(UTC))
    bad = VideoOutcome("clip", 3, "apart")

    assert report_of(sample, [VideoOutcome("clip", verdict="coherent")])["share_at_most"] == 0
    assert report_of(sample, [bad])["share_at_most"] == 1
    with pytest.raises(BatchError) as caught:
        conclude(sample, [bad])
    assert caught.value.exit_code == 3


def test_the_report_counts_what_rests_on_a_sample(published: Path) -> None:
    """Nobody had held all of those against a reference: one that was doubted had been, and counts as whole."""
    sample = draw([published.parent], 20, 1, lambda: datetime.now(UTC))
    for check, count in [({"windows": 9, "doubts": []}, 1), ({"windows": 9, "doubts": ["x"]}, 0), (None, 0)]:
        manifest = json.loads(published.read_text()) | {"spot_check": check}
        published.write_text(json.dumps(manifest))
        assert report_of(sample, [])["proved_by_sample"] == count

"""`step4 run --models ID`: whole runs against a hub in a box, with real networks of small stand-ins of real sets."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import step4
from hub_box import GOOD, STRANGER, HubBox, hub_in_a_box, use
from paths import ROOT
from scipy.io import wavfile
from speech import recording
from stand_in_models import COMMUNITY, EMBEDDING, SEGMENTATION, THREE, checkpoint, community, embedding_network, three

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("clean_settings"),
    # The small network's own filter bank.
    pytest.mark.filterwarnings("ignore:At least one mel filterbank"),
]

WEIGHTS = "embedding/pytorch_model.bin"
SECONDS = 5


@pytest.fixture(scope="module")
def network() -> bytes:
    """A checkpoint of an embedding network that pools under weights, as both pipelines want one."""
    return checkpoint(embedding_network(pools=True))


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: bytes) -> Iterator[HubBox]:
    """A hub with both pipelines, gated, their large files in the Xet store; an empty cache, and an account's token."""
    with hub_in_a_box() as box:
        box.xet = True
        box.add(COMMUNITY, community() | {WEIGHTS: network})
        for name, files in three().items():
            box.add(name, files | ({"pytorch_model.bin": network} if name == EMBEDDING else {}))
        use(box, tmp_path / "hub", monkeypatch)
        yield box


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Some seconds of speech."""
    path = tmp_path / "videos" / "clip.wav"
    path.parent.mkdir()
    wavfile.write(path, 16000, (recording()[: SECONDS * 16000] * 32767).astype(np.int16))
    return path


def run(video: Path, models: str, expected: int = 0) -> dict[str, Any]:
    """Run a video under a set; its manifest where it was published."""
    assert step4("run", video, "--models", models, "--profile", "cpu") == expected
    path = video.with_name("clip_step4.json")
    manifest: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return manifest


def command(*words: object) -> subprocess.Popen[bytes]:
    """The same as a process, and group, of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "flows.cli.main", *map(str, words)],
        cwd=ROOT,
        env=os.environ | {"PREFECT_API_URL": ""},
        start_new_session=True,
        stderr=subprocess.PIPE,
    )


def test_gated_then_accepted_then_offline(
    box: HubBox, video: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Terms not accepted: exit code 5 and the page; accepted: published with the commit; then no network is needed."""
    monkeypatch.setenv("HF_TOKEN", STRANGER)
    assert run(video, COMMUNITY, expected=5) == {}
    assert f"accept them at https://huggingface.co/{COMMUNITY}" in capsys.readouterr().err
    monkeypatch.setenv("HF_TOKEN", GOOD)
    manifest = run(video, COMMUNITY)

    assert manifest["model_commits"] == {COMMUNITY: box.repositories[COMMUNITY].head}
    assert manifest["parameters"]["models"] == COMMUNITY
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.delenv("HF_TOKEN")
    video.with_name("clip_step4.json").unlink()
    assert run(video, COMMUNITY)["models"] == manifest["models"]
    assert step4("audit", video.parent) == 0


def test_a_changed_revision_is_computed_once_it_is_fetched_and_a_pinned_one_stays(box: HubBox, video: Path) -> None:
    """The branch moves on: a run goes on with what is here; after a fetch it computes anew. A model card is nothing."""
    repository = box.repositories[COMMUNITY]
    first = run(video, COMMUNITY)
    repository.history.append(repository.history[-1] | {"README.md": b"more words"})
    assert step4("models", "fetch", COMMUNITY) == 0
    assert run(video, COMMUNITY)["published_at"] == first["published_at"]
    weights = checkpoint(embedding_network(pools=True), other=1)
    repository.history.append(repository.history[-1] | {WEIGHTS: weights})
    assert run(video, COMMUNITY)["published_at"] == first["published_at"]
    assert step4("models", "fetch", COMMUNITY) == 0
    changed = run(video, COMMUNITY)
    pinned = run(video, f"{COMMUNITY}@{first['model_commits'][COMMUNITY]}")

    assert changed["model_commits"] == {COMMUNITY: repository.head}
    assert {name for name in first["models"] if changed["models"][name] != first["models"][name]} == {WEIGHTS}
    assert pinned["models"] == first["models"]
    assert list(pinned["model_commits"].values()) == list(first["model_commits"].values())


def test_interrupted_and_run_again(box: HubBox, video: Path) -> None:
    """Killed while a file is on its way: nothing is published, and the same command ends well; no half file is used."""
    box.xet, box.cuts, box.stalls = False, 1, True
    process = command("run", video, "--models", COMMUNITY, "--profile", "cpu")
    while box.cuts:
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()

    assert not video.with_name("clip_step4.json").exists()
    assert run(video, COMMUNITY)["model_commits"] == {COMMUNITY: box.repositories[COMMUNITY].head}


def test_twice_at_once(box: HubBox, video: Path) -> None:
    """Two processes with one empty cache: both publish, under the same identity."""
    folders = [video.parent / name for name in ("one", "two")]
    options = ("--models", COMMUNITY, "--profile", "cpu", "--output")
    processes = [command("run", video, *options, folder) for folder in folders]
    said = [process.communicate()[1].decode() for process in processes]
    one, two = (json.loads((folder / "clip_step4.json").read_text()) for folder in folders)

    assert [process.returncode for process in processes] == [0, 0], said
    assert one["models"] == two["models"]
    assert one["model_commits"] == two["model_commits"] == {COMMUNITY: box.repositories[COMMUNITY].head}


def test_a_pipeline_that_names_two_more_repositories(
    box: HubBox, video: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """3.1: three commits are recorded. All can be pinned, and an audit computes with them when one has moved on."""
    heads = {name: box.repositories[name].head for name in (THREE, SEGMENTATION, EMBEDDING)}
    manifest = run(video, THREE)
    assert manifest["model_commits"] == heads

    other = checkpoint(embedding_network(pools=True), other=1)
    box.repositories[EMBEDDING].history.append({"pytorch_model.bin": other})
    assert step4("models", "fetch", THREE) == 0
    capsys.readouterr()
    assert step4("audit", video.parent, "--json") == 0
    assert json.loads(capsys.readouterr().out)["audited"] == 1
    pinned = run(video, ",".join(f"{name}@{commit}" for name, commit in heads.items()))
    assert pinned["models"] == manifest["models"]
    moved = run(video, THREE)
    assert moved["model_commits"] == heads | {EMBEDDING: box.repositories[EMBEDDING].head}
    assert moved["models"] != manifest["models"]

"""The hub: a token that goes nowhere, a cache that is not believed, and no network at run time."""

import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hub_box import GOOD, STRANGER, HubBox
from paths import ROOT
from stand_in_models import COMMUNITY, SEGMENTATION, THREE, three, write

from tasks.engine.core.errors import ModelError
from tasks.engine.models import fetching, hub, registry
from tasks.engine.system.environment import TOKEN_VARIABLES

SENTINEL = "hf_SentinelThatMustAppearNowhere0123456789"


class Refusing(BaseHTTPRequestHandler):
    """A hub that refuses everybody, and repeats what it was told."""

    def answer(self) -> None:
        """401, with the token in the text."""
        token = self.headers.get("Authorization", "")
        self.server.seen.append(token)  # type: ignore[attr-defined]  # the fixture's list
        text = f"Invalid credentials: {token}".encode()
        self.send_response(401)
        self.send_header("X-Error-Message", "Invalid credentials in Authorization header")
        self.send_header("X-Told", text.decode())
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text if self.command == "GET" else b"")

    do_GET = do_HEAD = answer  # noqa: N815  # names of the standard library

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def refusing_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[str]]:
    """A local hub, every token variable set to the sentinel; the tokens that the hub saw."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    server.seen = []  # type: ignore[attr-defined]  # for the handler
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name in TOKEN_VARIABLES:
        monkeypatch.setenv(name, SENTINEL)
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    yield server.seen  # type: ignore[attr-defined]
    server.shutdown()


def test_a_refused_token_is_told_without_it(refusing_hub: list[str]) -> None:
    """401: the hub saw the token, the error does not have it, nor does anything it was raised from."""
    with pytest.raises(ModelError, match="the hub does not know this token") as caught:
        registry.identity("somebody/gated-pipeline")

    assert any(SENTINEL in token for token in refusing_hub)
    link: BaseException | None = caught.value
    while link:
        assert SENTINEL not in repr(link)
        link = link.__cause__


@pytest.mark.usefixtures("box")
def test_the_line_break_behind_a_token_is_no_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets come out of files, with the line's end."""
    monkeypatch.setenv("HF_TOKEN", f" {GOOD}\n")

    assert hub.snapshot(COMMUNITY, ["config.yaml"], COMMUNITY).is_dir()


@pytest.mark.usefixtures("box")
def test_a_patience_that_is_no_number_is_named() -> None:
    """In a process of its own: the client reads its variables, and fails, when it is imported."""
    code = "from tasks.engine.models import registry; registry.find('a/b')"
    environment = os.environ | {"HF_HUB_DOWNLOAD_TIMEOUT": "60s"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, check=False)

    assert done.stderr.decode().splitlines()[-1] == (
        "tasks.engine.core.errors.ModelError: the hub's client does not start: invalid literal for int() with base 10: "
        "'60s'; expected a whole number in each of HF_HUB_DOWNLOAD_TIMEOUT and HF_HUB_ETAG_TIMEOUT"
    )


def test_the_token_of_a_login_is_not_read(box: HubBox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The client keeps one in HF_HOME, and would send it wherever it asks; the documentation says so."""
    monkeypatch.setenv("HF_TOKEN", "")
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "token").write_text(GOOD)

    with pytest.raises(ModelError, match="it is gated, and no token is set"):
        hub.download(COMMUNITY)
    assert {token for _, _, token in box.seen} == {""}


def test_an_endpoint_without_a_value_is_the_hub(box: HubBox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of variables may hold it empty, which the client takes for an address."""
    monkeypatch.setattr(hub, "HUB_PAGE", box.address)
    monkeypatch.setenv("HF_ENDPOINT", "")

    hub.bring(COMMUNITY)

    assert hub.cached(COMMUNITY, ["config.yaml"])


@pytest.mark.slow
@pytest.mark.parametrize("served", [False, True], ids=["alone", "on a server"])
def test_a_sentinel_token_appears_nowhere(
    refusing_hub: list[str], tmp_path: Path, served: bool, request: pytest.FixtureRequest
) -> None:
    """A whole command against that hub, at DEBUG: not a byte of the token on the terminal, in a file or on a server."""
    from media_samples import clip

    video = clip(tmp_path / "clip.wav")
    environment = {
        **os.environ,
        "AUDIO_LOG_LEVEL": "DEBUG",
        "PREFECT_LOGGING_LEVEL": "DEBUG",
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PREFECT_API_URL": "",
        "TMPDIR": str(tmp_path / "tmp"),
        "STEP4_DIAGNOSTICS_DIR": str(tmp_path),
    }
    if served:
        request.getfixturevalue("prefect_server")
        from prefect.settings import PREFECT_API_URL

        environment["PREFECT_API_URL"] = str(PREFECT_API_URL.value())
    (tmp_path / "tmp").mkdir()
    command = [sys.executable, "-m", "flows.cli.main", "run", str(video), "--models", "somebody/gated-pipeline"]
    done = subprocess.run([*command, "--json"], env=environment, cwd=ROOT, capture_output=True, check=False)

    assert done.returncode == 5, done.stderr.decode()
    assert any(SENTINEL in token for token in refusing_hub)
    assert SENTINEL.encode() not in done.stdout + done.stderr
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "audio_inconsistencies.log" for path in files)
    assert [path for path in files if SENTINEL.encode() in path.read_bytes()] == []
    if served:
        recorded = everything_recorded(video)
        assert "somebody/gated-pipeline" in recorded
        assert SENTINEL not in recorded


def everything_recorded(video: Path) -> str:
    """Runs, task runs, logs, artifacts and events that a server holds, as text, once it has the video's run."""
    from prefect.client.orchestration import get_client
    from served import wait_for

    with get_client(sync_client=True) as client:

        def ask() -> str:
            parts = [
                client._client.post(f"/{kind}/filter", json={}).text
                for kind in ("flow_runs", "task_runs", "logs", "artifacts", "events")
            ]
            return "".join(parts) if str(video) in parts[0] else ""

        return wait_for(ask)


LOADING = """
import sys
from tasks.engine.core.errors import ModelError
from tasks.engine.inference import loading
try:
    loading.load(sys.argv[1])
except ModelError as error:
    sys.exit(str(error))
"""


@pytest.mark.slow
def test_nothing_is_fetched_while_models_load(refusing_hub: list[str], resnet_folder: Path) -> None:
    """A config that leaves a network out, which pyannote would fetch one of its own for: the hub is never asked."""
    config = resnet_folder / "config.yaml"
    config.write_text(config.read_text().replace("    embedding: $model/embedding\n", ""))
    command = [sys.executable, "-c", LOADING, str(resnet_folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert "names None as its embedding" in done.stderr
    assert refusing_hub == []


CHANGED = b"changed" * 20_000


def moved_on(box: HubBox, **files: bytes) -> str:
    """Another commit on the main branch of community-1, with other files; its name."""
    repository = box.repositories[COMMUNITY]
    repository.history.append(repository.history[-1] | files)
    return repository.head


@pytest.mark.parametrize("xet", [False, True], ids=["plain", "xet"])
def test_a_repository_is_fetched_once_whatever_store_it_lies_in(box: HubBox, xet: bool) -> None:
    """From an empty cache, then from a full one without a request; the commit is known though none was pinned."""
    box.xet = xet
    first = registry.find(COMMUNITY)
    asked = len(box.seen)

    assert first.commits == {COMMUNITY: box.repositories[COMMUNITY].head}
    assert set(first.identity()) == {
        "config.yaml",
        "segmentation/pytorch_model.bin",
        "embedding/pytorch_model.bin",
        "plda/xvec_transform.npz",
        "plda/plda.npz",
    }
    assert bool(box.paths("/v1/reconstructions/")) == xet
    assert registry.identity(COMMUNITY) == first.identity()
    assert len(box.seen) == asked
    with pytest.raises(ModelError, match="run `step4 models fetch nobody/nothing`"):
        registry.find("nobody/nothing", fetch=False)
    assert len(box.seen) == asked


@pytest.mark.parametrize("xet", [False, True], ids=["plain", "xet"])
def test_a_damaged_cache_is_met_and_mended_as_it_says(box: HubBox, xet: bool) -> None:
    """One changed byte is a refusal; the file that it says to delete is the one whose deletion helps."""
    box.xet = xet
    hub.bring(COMMUNITY, box.address)
    model_set = registry.find(COMMUNITY)
    path = next(file.path for file in model_set.files if file.name == "embedding/pytorch_model.bin").resolve()
    content = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(b"x" + content[1:])

    with pytest.raises(ModelError, match=rf"has the hash \w+: expected \w+; delete {path} and run"):
        registry.identity(COMMUNITY)
    path.unlink()
    assert fetching.fetch_set(COMMUNITY).identity() == registry.identity(COMMUNITY)
    assert path.read_bytes() == content


@pytest.mark.parametrize("name", [THREE, f"{THREE},{SEGMENTATION}@main", "own models"])
def test_the_command_that_mends_names_the_set(
    box: HubBox, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the set in force, nor the repository of one network, which is none; the command is run as it is told."""
    for repository, files in three(b"weights").items():
        box.add(repository, files)
    monkeypatch.chdir(tmp_path)
    write(three(b"weights")[THREE], tmp_path / "own models")
    damaged = next(file.path for file in registry.find(name).files if file.name.startswith("segmentation"))
    damaged.resolve().write_bytes(b"x")

    for spoilt in (True, False):
        with pytest.raises(ModelError, match=r"`step4 models fetch .*`$") as caught:
            registry.find(name, fetch=False).identity()
        assert shlex.split(str(caught.value).split("`")[-2])[3:] == [name]
        if spoilt:
            damaged.resolve().unlink()
    assert fetching.fetch_set(name).identity()


def test_a_revision_may_have_slashes(box: HubBox) -> None:
    """Branches do, and the hub's own names of pull requests: `refs/pr/1`."""
    first = box.repositories[COMMUNITY].head
    box.repositories[COMMUNITY].tags = {"refs/pr/1": 0}
    box.repositories[COMMUNITY].history.append(box.repositories[COMMUNITY].history[0] | {"README.md": b"new"})

    found = fetching.fetch_set(f"{COMMUNITY}@refs/pr/1")

    assert found.commits == {f"{COMMUNITY}@refs/pr/1": first}


def test_a_branch_moves_on_when_it_is_fetched_and_not_before(box: HubBox) -> None:
    """A run uses what is here; `fetch` brings the newest; a pinned commit and a tag stay what they were."""
    box.repositories[COMMUNITY].tags["v1"] = 0
    hub.bring(COMMUNITY, box.address)
    old = registry.find(COMMUNITY)
    new = moved_on(box, **{"embedding/pytorch_model.bin": CHANGED})
    pinned = registry.find(f"{COMMUNITY}@{old.commits[COMMUNITY]}")

    assert registry.find(COMMUNITY).commits == old.commits
    assert pinned.identity() == old.identity()
    fetched = fetching.fetch_set(COMMUNITY)
    assert fetched.commits == {COMMUNITY: new}
    assert fetched.identity() != old.identity()
    hub.bring(f"{COMMUNITY}@v1", box.address)
    assert registry.find(f"{COMMUNITY}@v1").identity() == old.identity()


def test_a_new_model_card_is_another_commit_and_the_same_set(box: HubBox) -> None:
    """Only files that are loaded decide: workers that fetched on different days do not compute each other's again."""
    hub.bring(COMMUNITY, box.address)
    old = registry.find(COMMUNITY)
    moved_on(box, **{"README.md": b"more words", "notes.txt": b"new"})
    hub.bring(COMMUNITY, box.address)
    new = registry.find(COMMUNITY)

    assert new.commits != old.commits
    assert new.identity() == old.identity()


def test_an_interrupted_fetch_is_taken_up_again(box: HubBox) -> None:
    """What another tool left half done is completed, at the commit that it began with."""
    hub.bring(COMMUNITY, box.address)
    model_set = registry.find(COMMUNITY)
    lost = next(file.path for file in model_set.files if file.name == "plda/plda.npz")
    lost.unlink()
    moved_on(box, **{"README.md": b"more words"})

    assert registry.find(COMMUNITY).commits == model_set.commits
    assert lost.is_file()


def test_a_line_that_breaks_once_is_no_failure(box: HubBox) -> None:
    """The client asks for the rest."""
    box.cuts = 1
    hub.bring(COMMUNITY, box.address)

    assert box.cuts == 0
    assert registry.find(COMMUNITY, fetch=False).identity()


@pytest.mark.usefixtures("box")
def test_two_processes_that_fetch_the_same_have_the_same() -> None:
    """Each waits for the other's files, or brings its own; neither sees half of one."""
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda _: registry.identity(COMMUNITY), range(2))

    assert one == other


def test_without_a_network_the_cache_is_enough(box: HubBox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Offline afterwards: in offline mode, and with a hub that is gone."""
    hub.bring(COMMUNITY, box.address)
    known = registry.identity(COMMUNITY)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert registry.identity(COMMUNITY) == known
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    assert registry.identity(COMMUNITY) == known
    with pytest.raises(ModelError, match=r"http://127\.0\.0\.1:1 cannot be reached"):
        registry.identity(THREE)


@pytest.mark.usefixtures("box")
def test_terms_are_accepted_and_then_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the refusal with the page to accept to the set, without anything to clear up in between."""
    accepted = os.environ["HF_TOKEN"]
    monkeypatch.setenv("HF_TOKEN", STRANGER)
    with pytest.raises(ModelError, match=f"accept them at https://huggingface.co/{COMMUNITY}"):
        registry.identity(COMMUNITY)
    monkeypatch.setenv("HF_TOKEN", accepted)

    assert registry.identity(COMMUNITY)


def test_the_repositories_that_a_config_names_are_fetched_too(box: HubBox) -> None:
    """3.1 names two: all three commits are known, and a refusal names the one whose terms are not accepted."""
    for name, files in three(b"weights").items():
        box.add(name, files, gated=name != SEGMENTATION)
    model_set = registry.find(THREE)

    assert model_set.commits == {name: box.repositories[name].head for name in three(b"weights")}
    assert set(model_set.identity()) == {
        "config.yaml",
        "segmentation/pytorch_model.bin",
        "embedding/pytorch_model.bin",
    }


def test_the_token_reaches_no_other_host(box: HubBox) -> None:
    """The store, another host, is asked without it."""
    hub.bring(COMMUNITY, box.address)

    assert {token for _, path, token in box.seen if "/store/" in path and _ == "GET"} == {""}
    assert {token for _, path, token in box.seen if "/api/" in path} == {os.environ["HF_TOKEN"]}


def test_a_renamed_repository_is_followed(box: HubBox) -> None:
    """The hub redirects old names."""
    box.renamed["pyannote/old-name"] = COMMUNITY
    for name in ("pyannote/old-name", COMMUNITY):
        hub.bring(name, box.address)

    assert registry.identity("pyannote/old-name") == registry.identity(COMMUNITY)

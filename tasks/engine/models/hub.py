"""Models of the Hugging Face hub: fetched once, by a process of its own that alone holds the token.

Whatever loads them is given the path of a file, never an id, and has nothing to ask the hub for. What is in the cache
is used as it is: a branch moves on only when somebody fetches it again.
"""

import logging
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tasks.engine.core.constants import PROJECT
from tasks.engine.core.errors import ModelError
from tasks.engine.models.checksums import fetch_command
from tasks.engine.models.hub_failures import HUB_PAGE, HubFailure, kind_of, sentence
from tasks.engine.system.environment import hub_token

log = logging.getLogger("step4.models")

REVISION = re.compile(r"\w[\w.-]*(/\w[\w.-]*)*", re.ASCII)
"""A branch, a tag, a commit, or the hub's `refs/pr/1`."""
FETCH_TIMEOUT_SEC = 3600.0
PATIENCE_SEC = 10.0
"""With a silent server, unless `HF_HUB_DOWNLOAD_TIMEOUT` says otherwise; the client's own default."""
CHILD = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from tasks.engine.models.hub import fetch_here; fetch_here(sys.argv[2])"
)


def snapshot(repository: str, names: Sequence[str], models: str, *, fetch: bool = True) -> Path:
    """Find the folder of a repository, `id` or `id@revision`, in the local cache; fetch it where a file is missing.

    Args:
        repository: which one.
        names: files that must be in it.
        models: name of the set that it is of.
        fetch: whether the hub may be asked.

    Raises:
        ModelError: it is not here and cannot be fetched, or has no such file.
    """
    folder = cached(repository, names)
    if folder is None and fetch:
        download(repository)
        folder = cached(repository, names)
    if folder is None:
        raise ModelError(
            f"{repository} has no {' or no '.join(names)}: expected the repository of a pyannote pipeline or network"
            if fetch
            else f"{repository} is not in the cache {cache_folder()}: run {fetch_command(models)}"
        )
    return folder


def is_hub_id(text: str) -> bool:
    """Tell whether a text can be a repository of the hub, `owner/name`, with or without `@revision`."""
    require_client()
    from huggingface_hub.errors import HFValidationError  # noqa: PLC0415
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # noqa: PLC0415  # documented

    name, at, revision = text.partition("@")
    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return "/" in name and (not at or (REVISION.fullmatch(revision) is not None and ".." not in revision))


def require_client() -> None:
    """Refuse settings that the hub's client cannot be imported with.

    Raises:
        ModelError: a variable of the client that should hold a number holds something else.
    """
    try:
        import huggingface_hub.constants  # noqa: F401, PLC0415
    except ValueError as error:
        raise ModelError(
            f"the hub's client does not start: {error}; expected a whole number in each of HF_HUB_DOWNLOAD_TIMEOUT and "
            "HF_HUB_ETAG_TIMEOUT"
        ) from error


def cached(repository: str, names: Sequence[str]) -> Path | None:
    """Find the folder that holds these files without any network; None where one of them is not there."""
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415

    name, _, revision = repository.partition("@")
    first = try_to_load_from_cache(name, names[0], cache_dir=cache_folder(), revision=revision or None)
    if not isinstance(first, str):
        return None
    folder = Path(first.removesuffix(f"/{names[0]}"))
    return folder if all((folder / other).is_file() for other in names) else None


def commit_of(folder: Path) -> str:
    """Return the commit that a snapshot's folder is of."""
    return folder.name


def cache_folder() -> Path:
    """Return the cache by huggingface_hub's own rule, of the environment as it is now: it reads it on import."""
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    cache = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE") or Path(home) / "hub"
    return Path(os.path.expandvars(cache)).expanduser()


def download(repository: str) -> None:
    """Bring the newest state of a repository's revision into the cache, in a process of its own.

    Raises:
        ModelError: refused, not found, or no network; without the token, and without what the server said.
    """
    log.info("%s: fetching it from the hub into %s", repository, cache_folder())
    kind, detail = HubFailure.STALLED, ""
    try:
        process = subprocess.run(  # noqa: S603  # a list of our own; the repository is an argument
            [sys.executable, "-c", CHILD, str(PROJECT), repository],
            capture_output=True,
            timeout=FETCH_TIMEOUT_SEC,
            check=False,
        )
    except subprocess.TimeoutExpired:
        pass
    except OSError as error:
        kind, detail = HubFailure.OTHER, type(error).__name__
    else:
        if not process.returncode:
            return
        kind, detail = told_by_child(process.stdout.decode("ascii", "replace"), process.returncode)
    endpoint = os.environ.get("HF_ENDPOINT") or HUB_PAGE
    raise ModelError(sentence(kind, repository, endpoint=endpoint, cache=str(cache_folder()), detail=detail))


def told_by_child(output: str, returncode: int) -> tuple[HubFailure, str]:
    """Read the kind of failure and the name of the exception, the last line of the process that fetches."""
    kind, _, detail = (output.strip().splitlines() or [""])[-1].partition(" ")
    if kind in set(HubFailure):
        return HubFailure(kind), detail
    return HubFailure.OTHER, f"exit code {returncode}"


def fetch_here(repository: str) -> None:
    """Do what that process is for: the only place where the token is used."""
    try:
        bring(repository)
    except Exception as error:  # noqa: BLE001  # some have the URL or the request in their text: the kind must do
        sys.stdout.write(f"\n{kind_of(error)} {type(error).__name__}\n")
        sys.exit(1)


def bring(repository: str, endpoint: str | None = None) -> None:
    """Download a repository into the cache with the hub's client, in this process.

    Args:
        repository: `id` or `id@revision`.
        endpoint: address of the hub; None for HF_ENDPOINT, else the public one.

    Raises:
        Exception: whatever the client has to say.
    """
    from huggingface_hub import HfApi, snapshot_download  # noqa: PLC0415

    name, _, revision = repository.partition("@")
    # The client takes an empty variable for an address.
    endpoint = endpoint or os.environ.get("HF_ENDPOINT") or HUB_PAGE
    # Asked first since the client would wait for ever for this answer.
    patience = float(os.environ.get("HF_HUB_DOWNLOAD_TIMEOUT") or PATIENCE_SEC)
    HfApi(endpoint=endpoint, token=hub_token() or False).model_info(name, revision=revision or None, timeout=patience)
    snapshot_download(
        name, revision=revision or None, token=hub_token() or False, cache_dir=cache_folder(), endpoint=endpoint
    )

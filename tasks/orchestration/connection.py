"""Is a Prefect flow run under way, is there a server to tell, and telling it without depending on it.

Nothing here imports Prefect: outside a flow run the answers are known without it.
"""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from profiles.variables import misspelt_variables
from tasks.engine.core.exception_map import message_of

log = logging.getLogger("step4.server")

API_URL = "PREFECT_API_URL"


def in_flow_run() -> bool:
    """Tell whether this code runs inside a Prefect flow run."""
    context = sys.modules.get("prefect.context")
    return context is not None and context.FlowRunContext.get() is not None


def connected() -> bool:
    """Tell whether this is a flow run on a named server: nobody looks at one that Prefect starts for itself."""
    return in_flow_run() and server_named()


def server_named() -> bool:
    """Tell whether a Prefect server was named, in any of the places that Prefect reads its settings from?

    Prefect itself is only asked where it is loaded already, or where one of its files could name a server: asking
    takes two seconds.
    """
    if "prefect.settings" not in sys.modules:
        if API_URL in os.environ:
            return bool(os.environ[API_URL])
        if not any(map(mentions_api_url, settings_files())):
            return False
    from prefect.settings import PREFECT_API_URL  # noqa: PLC0415

    return bool(PREFECT_API_URL.value())


def settings_files() -> Iterator[Path]:
    """Files that Prefect reads settings from; see https://docs.prefect.io/v3/concepts/settings-and-profiles."""
    home = Path(os.environ.get("PREFECT_HOME") or Path.home() / ".prefect")
    yield Path(os.environ.get("PREFECT_PROFILES_PATH") or home / "profiles.toml")
    for name in (".env", "prefect.toml", "pyproject.toml"):
        yield Path(name)


def mentions_api_url(file: Path) -> bool:
    """Tell whether this file may name a server? As a variable, or as `url` below `api`."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace").lower()
    except OSError:
        return False
    is_prefects = "prefect" in file.name or "profiles" in file.name or "[tool.prefect" in text
    return API_URL.lower() in text or (is_prefects and "api" in text)


def log_at(level: str) -> None:
    """Let the stages' log lines reach the server from this level on, as they reach the terminal in `step4 run`.

    The first of them say which variables are misspelt: nobody sees the terminal of a worker.
    """
    if connected():
        logging.getLogger("step4").setLevel(level)
        for sentence in misspelt_variables():
            log.warning("%s", sentence)


@contextmanager
def best_effort(what: str) -> Iterator[None]:
    """Turn whatever goes wrong in this block into a warning: what is only told must not decide how a run ends."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  # a server can fail in any way, and none of them is the video's fault
        log.warning("%s could not be sent to the Prefect server: %s", what, message_of(error))

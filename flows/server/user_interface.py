"""Prefect's UIs as pages that ask nobody but their own server.

    python -m flows.server.user_interface FOLDER

    copies of both UIs, made as the server makes them → a content security policy in each page

The newer UI asks its makers' analytics host for a configuration each time it is opened, whatever
PREFECT_SERVER_ANALYTICS_ENABLED says: the browser has to refuse. The server serves the folder that
PREFECT_UI_STATIC_DIRECTORY names, and leaves its files alone while they are of its own version.
"""

import os
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from tasks.engine.core.errors import Step4Error, StorageError
from tasks.engine.system.atomic import atomic_write_text

SETTING = "PREFECT_UI_STATIC_DIRECTORY"
UIS = ("v1", "v2")
LOOPBACK = " ".join(f"{scheme}://{host}:*" for scheme in ("http", "ws") for host in ("127.0.0.1", "localhost"))
"""A page opened as localhost talks to an API that calls itself 127.0.0.1."""
POLICY = (
    "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; "
    f"connect-src 'self' data: blob: {LOOPBACK}; form-action 'self'"
)
META = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
"""In the page itself: Prefect's server can be told to send no header of ours."""


def make_user_interface(folder: Path) -> None:
    """Put both UIs below a folder, unless they are there, of this version of Prefect and with this policy.

    Raises:
        StorageError: with what was said where that failed.
    """
    if is_made(folder):
        return
    refuse_unwritable(folder)
    # A process of its own: the server's modules take long to import, and read their settings once.
    command = [sys.executable, "-m", "flows.server.user_interface", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, start_new_session=True)  # noqa: S603  # our own list
    if done.returncode:
        raise StorageError(done.stderr[-2000:].strip())


def refuse_unwritable(folder: Path) -> None:
    """Try to write below a folder: Prefect would try for three minutes.

    Raises:
        StorageError: it cannot be made, or takes no files.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise StorageError(
            f"Prefect's UI cannot be copied into {folder} ({error.strerror}): expected a folder that can be written"
        ) from error


def is_made(folder: Path) -> bool:
    """Tell whether a server of this version would serve what is there, and with the policy."""
    prefect = f":{version('prefect')}:"
    try:
        return all(
            prefect in (folder / ui / "UI_SERVE_BASE").read_text(encoding="utf-8")
            and META in (folder / ui / "index.html").read_text(encoding="utf-8")
            for ui in UIS
        )
    except (FileNotFoundError, NotADirectoryError):
        return False


def copy_and_restrict(folder: Path) -> None:
    """Let Prefect copy its UIs, then have each page say what it may ask for.

    Raises:
        StorageError: Prefect could not copy them, which it logs and lives with.
    """
    os.environ[SETTING] = str(folder.absolute())
    from prefect.server.api.server import create_ui_app  # noqa: PLC0415  # reads the variable when it is imported

    create_ui_app(ephemeral=False)
    for ui in UIS:
        page = folder / ui / "index.html"
        if not page.exists():
            raise StorageError(f"Prefect's UI cannot be copied into {folder}: expected a folder that can be written")
        html = page.read_text(encoding="utf-8")
        if META not in html:
            # Ahead of everything that asks for something.
            atomic_write_text(page, html.replace("<head>", f"<head>\n    {META}", 1))


def main() -> None:
    """Make the folder that was named; an error is one sentence and an exit code."""
    folder = Path(sys.argv[1])
    try:
        if not is_made(folder):
            copy_and_restrict(folder)
    except Step4Error as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()

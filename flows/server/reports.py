"""Pages of drifts for the browser: a web server of one folder, on this machine alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread


class Quiet(SimpleHTTPRequestHandler):
    """Says nothing of what it serves."""

    def log_message(self, *_: object) -> None:
        """Write no line per request."""


@contextmanager
def served(folder: Path, host: str, port: int) -> Iterator[None]:
    """Show the files of a folder while this block lasts.

    Args:
        folder: made where it is missing.
        host: address to listen on.
        port: likewise.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadingHTTPServer((host, port), partial(Quiet, directory=str(folder))) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, name="reports", daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()

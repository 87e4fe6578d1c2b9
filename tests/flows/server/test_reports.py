"""The web server of the pages of drifts."""

from pathlib import Path

import httpx
import pytest

from flows.server.reports import served
from flows.server.serve import HOST, free_port


def test_pages_are_shown_while_it_lasts_and_nothing_else(tmp_path: Path) -> None:
    """What lies in the folder, and nothing above it; afterwards nobody listens."""
    folder, port = tmp_path / "reports", free_port()
    (tmp_path / "secret").write_text("no page")
    with served(folder, HOST, port):
        (folder / "clip.html").write_text("a page")
        assert httpx.get(f"http://{HOST}:{port}/clip.html").text == "a page"
        assert httpx.get(f"http://{HOST}:{port}/%2e%2e/secret").status_code == 404
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://{HOST}:{port}/clip.html")

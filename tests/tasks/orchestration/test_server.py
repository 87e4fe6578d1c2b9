"""A server that was named and is not there is one sentence, before any work."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from tasks.engine.core.errors import ServiceError
from tasks.orchestration.server import require_server


class Page(BaseHTTPRequestHandler):
    """Answers everything with a page, as Prefect's UI does; below a number, as a proxy does, with that status."""

    def do_GET(self) -> None:
        """Send it."""
        status = self.path.split("/")[1]
        self.send_response(int(status) if status.isdecimal() else 200)
        self.end_headers()
        self.wfile.write(b"<html></html>")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def page() -> Iterator[str]:
    """Address of a server of pages."""
    with HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("http://127.0.0.1:9/api", r"no Prefect server answers at PREFECT_API_URL = http://127\.0\.0\.1:9/api \("),
        ("127.0.0.1:4200/api", r"127\.0\.0\.1:4200/api does not begin with http:// or https://"),
        ("http://me:hidden@127.0.0.1:9/api", r"= http://127\.0\.0\.1:9/api \("),
        ("me:hidden@127.0.0.1:4200/api", r"= 127\.0\.0\.1:4200/api does not begin with http:// or https://"),
    ],
)
def test_an_address_where_nobody_answers_is_one_sentence(address: str, told: str) -> None:
    """What was found, without a password, and what would be accepted."""
    with temporary_settings({PREFECT_API_URL: address}), pytest.raises(ServiceError, match=told) as caught:
        require_server()

    assert "such as http://127.0.0.1:4200/api" in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_an_address_of_the_ui_is_said_to_lack_its_end(page: str) -> None:
    """It answers everything, and nothing that Prefect understands."""
    with temporary_settings({PREFECT_API_URL: page}), pytest.raises(ServiceError, match="does not end in /api"):
        require_server()


@pytest.mark.parametrize("status", [401, 404])
def test_a_proxy_that_refuses_is_quoted_without_the_password(page: str, status: int) -> None:
    """What the client says of it holds the whole address."""
    address = f"{page.replace('//', '//me:hidden@')}/{status}/api"
    with temporary_settings({PREFECT_API_URL: address}), pytest.raises(ServiceError, match=str(status)) as caught:
        require_server()

    assert "hidden" not in str(caught.value)


def test_without_a_named_server_there_is_nothing_to_ask() -> None:
    """Nothing is started, and nobody is asked."""
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        require_server()


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
def test_a_server_that_answers_is_accepted() -> None:
    """A real one."""
    require_server()

"""A real Chromium, driven without a window."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium() -> str:
    """Path of a Chromium; skips the test where there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("no Chromium on this machine: on Debian, apt install chromium")
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """Chromium without a window."""
    path = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


class Visit:
    """A page that was opened, what it complained of, and what it asked of the network.

    The visit before is over: an open page computes on.
    """

    def __init__(self, browser: "Browser", path: Path, fragment: str = "", **options: Any) -> None:
        for before in browser.contexts:
            before.close()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page: Page = browser.new_context(offline=True, **options).new_page()
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type != "log" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri() + fragment)
        self.page.wait_for_selector(":root[data-ready]", state="attached", timeout=60_000)

    @property
    def strangers(self) -> list[str]:
        """Requests for anything but the page itself and what stands in it."""
        return [url for url in self.requests if not url.startswith(("file:", "data:", "blob:"))]

    def readout(self) -> str:
        """What the page says of the chosen frame."""
        return self.page.inner_text("#readout")

    def view(self) -> tuple[float, float]:
        """Seconds shown."""
        left, right = self.page.evaluate("(m => [m.start, m.end])(Bokeh.documents.at(-1).get_model_by_name('view'))")
        return left, right

"""The Prefect UI in a real Chromium: an operator starts a video by hand and sees what came of it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect, sync_playwright
from playwright.sync_api import TimeoutError as StillThere
from serving import PATIENCE_SEC, Served, speech

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine: on Debian, apt install chromium"),
]


@pytest.fixture
def page() -> Iterator[Page]:
    """A fresh window."""
    with sync_playwright() as playwright:
        # Chromium's own sandbox does not start as root.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(120_000)
        expect.set_options(timeout=120_000)
        yield page
        browser.close()


def open_form(page: Page, served: Served) -> None:
    """From the list of deployments to the form of `manual`."""
    page.goto(served.url)
    page.get_by_role("link", name="Deployments").first.click()
    page.get_by_role("link", name="manual", exact=True).click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_text("Custom run").click()


def submit(page: Page, served: Served, video: Path) -> None:
    """Type a path and send the form; again where it stays: its defaults may have arrived behind what was typed."""
    before = len(served.runs("manual"))
    assert "/run?" in page.url
    for _ in range(6):
        page.get_by_role("textbox").nth(1).fill(str(video))
        page.get_by_role("button", name="Submit").click()
        with suppress(StillThere):
            page.wait_for_url(lambda url: "/run?" not in url, timeout=20_000)
        if len(served.runs("manual")) > before:
            return
    pytest.fail(f"the form stays: {page.inner_text('body')}")


def keep(page: Page, name: str) -> None:
    """Save a picture of the page where STEP4_SCREENSHOTS says; docs/ holds one that was made so."""
    if folder := os.environ.get("STEP4_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")


def test_an_operator_starts_a_video_and_sees_its_picture(page: Page, served: Served, tmp_path: Path) -> None:
    """Deployment, form, Completed, artifacts, picture: nothing but the mouse and the keyboard, and no other machine."""
    video = speech(tmp_path / "interview.mkv")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    open_form(page, served)
    expect(page.get_by_text("Whole path of the file to analyse")).to_be_visible()
    keep(page, "form")
    submit(page, served, video)
    run = served.finished("manual", video=str(video))
    page.goto(f"{served.url}/v2/runs/flow-run/{run['id']}")
    expect(page.get_by_text("interview · gpu_fp32 · reference").first).to_be_visible()
    expect(page.get_by_text("Completed").first).to_be_visible(timeout=1000 * PATIENCE_SEC)
    page.get_by_text("Artifacts", exact=True).first.click()
    page.get_by_text("timeline-interview").first.click()
    page.locator("a[href*='/artifacts/artifact/']").first.click()
    picture = page.get_by_alt_text("who speaks when")
    expect(picture).to_be_visible()
    # Not Playwright's own: it fails where the page is drawn anew meanwhile.
    picture.evaluate("image => image.scrollIntoView()")
    keep(page, "artifact")

    assert [url for url in asked if not url.startswith((served.url, "data:", "blob:"))] == []
    assert picture.evaluate("image => image.complete && image.naturalWidth") > 500
    assert video.with_name("interview_step4.json").is_file()


def test_an_operator_finds_the_page_of_a_drift(page: Page, served: Served, tmp_path: Path) -> None:
    """The artifact says what can be chosen, and its link opens the page, on this machine."""
    video = speech(tmp_path / "interview.mkv", 10, gain=1e-4)
    assert served.start("manual", video=str(video), profile="cpu_amp_unsafe").is_success
    run = served.finished("manual", video=str(video))
    (artifact,) = served.ask(
        "artifacts/filter", artifacts={"flow_run_id": {"any_": [run["id"]]}, "type": {"any_": ["markdown"]}}
    )
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{served.url}/artifacts/artifact/{artifact['id']}")
    picture = page.get_by_alt_text("who speaks when")
    expect(picture).to_be_visible()
    expect(page.get_by_text("On drift = substitute").first).to_be_visible()
    keep(page, "drift")
    report = page.get_by_role("link", name="Look and listen").get_attribute("href")
    assert report
    page.goto(report)
    expect(page.get_by_text("Drift: the candidate must not be used.").first).to_be_visible()

    # The page is served beside the UI, on another port of this machine.
    here = (served.url, report.rpartition("/")[0], "data:", "blob:")
    assert [url for url in asked if not url.startswith(here)] == []
    assert urlsplit(report).hostname == urlsplit(served.url).hostname


def test_the_form_refuses_a_relative_path(page: Page, served: Served) -> None:
    """A worker stands elsewhere: nothing is started, and the form says which field is at fault."""
    before = len(served.runs("manual"))
    open_form(page, served)
    page.get_by_role("textbox").nth(1).fill("interview.mkv")
    page.get_by_role("button", name="Submit").click()

    expect(page.get_by_text("'interview.mkv' does not match '^/'", exact=True)).to_be_visible()
    assert len(served.runs("manual")) == before


def test_the_form_refuses_a_missing_video(page: Page, served: Served) -> None:
    """Without a path nothing is started, and the form says which field is at fault."""
    before = len(served.runs("manual"))
    open_form(page, served)
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_text("required", exact=False).first).to_be_visible()
    assert len(served.runs("manual")) == before

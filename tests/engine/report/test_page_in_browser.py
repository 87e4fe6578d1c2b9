"""The page in a real Chromium: it draws, answers clicks and keys, plays, and asks nothing of the network."""

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser import Visit, browser
from pages import RATE, pair, tone

from tasks.engine.formats import rttm
from tasks.engine.gate.verdict import compare
from tasks.engine.report.audio_clip import encode_clip
from tasks.engine.report.page import Side, Sound, write

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["browser"]

pytestmark = pytest.mark.slow

LAYOUTS = {
    "light": {"viewport": {"width": 1200, "height": 900}, "locale": "en-GB"},
    "dark": {"viewport": {"width": 1200, "height": 900}, "locale": "fr-FR", "color_scheme": "dark"},
    "narrow": {"viewport": {"width": 390, "height": 844}, "locale": "fr-FR", "has_touch": True},
}


@pytest.fixture(scope="module")
def drift(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page about two minutes, 20 s of which the candidate missed."""
    reference, candidate = pair()
    samples = tone(120)
    sound = Sound(samples, RATE, encode_clip(samples, RATE, 60))
    path = tmp_path_factory.mktemp("page") / "drift report's #1.html"
    write(path, Side(candidate, "c.parquet"), Side(reference, "r.parquet"), compare(reference, candidate), sound)
    return path


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_page_opens_without_complaint_or_request(browser: "Browser", drift: Path, layout: str) -> None:
    """No console message, no request leaves the machine, the verdict is read, in the browser's language."""
    visit = Visit(browser, drift, **LAYOUTS[layout])
    shown = visit.page.inner_text("main")

    assert visit.complaints == []
    assert visit.strangers == []
    wanted, other = ("Drift: the candidate", "Divergence") if layout == "light" else ("Divergence : le", "Drift: the")
    assert wanted in shown
    assert other not in shown
    assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_accessibility_checker_finds_nothing_serious(browser: "Browser", drift: Path, layout: str) -> None:
    """axe-core: no violation of serious or critical impact, in light, dark and narrow."""
    from axe_playwright_python.sync_playwright import Axe

    visit = Visit(browser, drift, bypass_csp=True, **LAYOUTS[layout])
    violations = Axe().run(visit.page).response["violations"]

    serious = [rule for rule in violations if rule["impact"] in {"serious", "critical"}]

    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in serious] == []


@pytest.mark.parametrize("language", ["en-GB", "fr-FR"])
def test_paper_shows_everything(browser: "Browser", drift: Path, language: str) -> None:
    """On A4 less its margins nothing is cut off at the right, and what can only be clicked is left out."""
    visit = Visit(browser, drift, viewport={"width": 1200, "height": 900}, locale=language)
    visit.page.emulate_media(media="print")
    visit.page.set_viewport_size({"width": 718, "height": 1047})
    visit.page.wait_for_timeout(300)  # the pictures follow the width
    right = visit.page.evaluate(
        "Math.max(...[...document.querySelectorAll('main *')].map("
        "one => one.checkVisibility() ? one.getBoundingClientRect().right : 0))"
    )

    assert right <= 718
    assert not visit.page.is_visible("button")
    assert visit.page.evaluate(
        "[...document.querySelectorAll('.wide')].every(one => one.scrollWidth <= one.clientWidth)"
    )


def test_the_worst_stretch_is_shown_first(browser: "Browser", drift: Path) -> None:
    """The view that opens is the worst 30 s; the differing frames are marked there."""
    visit = Visit(browser, drift)
    left, right = visit.view()

    assert right - left == pytest.approx(30)
    assert left < 60.5
    assert right >= 79 - 0.1
    marked = visit.page.evaluate("[...Bokeh.documents.at(-1)._all_models.values()].find(m => m.name === 'flips').data")
    assert marked["left"][0] == pytest.approx(60.48, abs=0.05)


def test_a_click_tells_frame_and_timecode(browser: "Browser", drift: Path) -> None:
    """The frame under the pointer, its time, and what either side says of it."""
    visit = Visit(browser, drift, locale="en-GB", viewport={"width": 1200, "height": 900})
    charts = visit.page.locator("#charts")
    charts.scroll_into_view_if_needed()
    box = charts.bounding_box()
    assert box is not None
    visit.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 120)
    visit.page.wait_for_function("() => document.getElementById('readout').textContent")
    told = re.match(r"Frame (\d+) of 3000 at 0:0(\d):(\d\d\.\d{3}) · candidate: ", visit.readout())

    assert told is not None
    frame, minutes, seconds = told.groups()
    assert (int(frame) - 1) / 25 == pytest.approx(60 * int(minutes) + float(seconds))
    left, right = visit.view()
    assert left < (int(frame) - 1) / 25 < right


def test_keys_and_buttons_move_the_view(browser: "Browser", drift: Path) -> None:
    """Everything the mouse can do, the keyboard can, at once: nothing needs to be clicked first."""
    visit = Visit(browser, drift, locale="en-GB")
    opened = visit.view()
    seen = {}
    for key in ("ArrowRight", "+", "-", "0", "n", "w"):
        visit.page.keyboard.press(key)
        seen[key] = visit.view()

    assert seen["ArrowRight"][0] > opened[0]
    assert seen["+"][1] - seen["+"][0] == pytest.approx(21)
    assert seen["-"][1] - seen["-"][0] == pytest.approx(30)
    assert seen["0"] == (0, 120)
    assert seen["w"] == pytest.approx(opened)
    assert "differs in speech" in visit.readout()
    visit.page.keyboard.press(".")
    assert "Frame 1514 " in visit.readout()
    visit.page.click("#whole")
    assert visit.view() == (0, 120)
    visit.page.click("button[data-start] >> visible=true")
    assert visit.view() == pytest.approx(opened)


def test_wheel_and_drag_move_the_view(browser: "Browser", drift: Path) -> None:
    """The wheel zooms around the pointer, dragging pans; nothing leaves the recording."""
    visit = Visit(browser, drift, viewport={"width": 1200, "height": 900})
    charts = visit.page.locator("#charts")
    charts.scroll_into_view_if_needed()
    box = charts.bounding_box()
    assert box is not None
    middle = (box["x"] + box["width"] / 2, box["y"] + 120)
    before = visit.view()
    visit.page.mouse.move(*middle)
    visit.page.mouse.wheel(0, -300)
    visit.page.wait_for_function(
        "width => (m => m.end - m.start)(Bokeh.documents.at(-1).get_model_by_name('view')) < width", arg=29
    )
    zoomed = visit.view()
    visit.page.mouse.down()
    visit.page.mouse.move(middle[0] + 150, middle[1], steps=5)
    visit.page.mouse.up()
    visit.page.wait_for_function("left => Bokeh.documents.at(-1).get_model_by_name('view').start < left", arg=zoomed[0])

    assert before[0] < zoomed[0]
    assert zoomed[1] < before[1]


def test_the_language_can_be_changed(browser: "Browser", drift: Path) -> None:
    """A button turns everything, the readout too."""
    visit = Visit(browser, drift, locale="en-GB")
    visit.page.focus("#charts")
    visit.page.keyboard.press("n")
    visit.page.click("#language")

    assert visit.readout().startswith("Image 15")
    assert "Pires 30 s" in visit.page.inner_text("main")
    assert "Worst 30 s" not in visit.page.inner_text("main")


def test_the_sound_plays_from_the_chosen_frame(browser: "Browser", drift: Path) -> None:
    """The embedded sound is decoded, starts where the frame is, and moves the cursor on."""
    visit = Visit(browser, drift, locale="en-GB")
    visit.page.focus("#charts")
    visit.page.keyboard.press("n")
    visit.page.keyboard.press(" ")
    visit.page.wait_for_function("() => document.getElementById('sound').currentTime > 61")

    assert visit.page.evaluate("document.getElementById('sound').duration") == pytest.approx(120, abs=0.2)
    assert visit.page.inner_text("#play") == "Pause"
    assert visit.complaints == []


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page about one timeline of two minutes."""
    path = tmp_path_factory.mktemp("page") / "clip.html"
    write(path, Side(replace(pair()[0], video_filename="clip.mp4"), "clip_timeline.parquet"))
    return path


def test_an_address_names_an_instant(browser: "Browser", alone: Path) -> None:
    """`#t=` opens there, a chosen frame is in the address, and one that is nonsense is passed over."""
    visit = Visit(browser, alone, locale="en-GB", fragment="#t=42.5")
    assert visit.readout().startswith("Frame 1063 of 3000 at 0:00:42.480")
    left, right = visit.view()
    assert left < 42.48 < right < left + 31

    visit.page.keyboard.press(".")
    visit.page.wait_for_function("() => location.hash === '#t=42.520'")
    visit.page.evaluate("location.hash = 't=1:00,1:30'")
    visit.page.wait_for_function("() => document.getElementById('readout').textContent.startsWith('Frame 1501')")
    assert visit.view() == pytest.approx((60, 90))
    visit.page.evaluate("location.hash = 't=9:99:99'")
    visit.page.evaluate("location.hash = 't=..'")
    assert visit.readout().startswith("Frame 1501")
    assert visit.complaints == []


def test_a_key_that_is_held_changes_the_address_once(browser: "Browser", alone: Path) -> None:
    """Browsers refuse a hundred changes within seconds: every frame is told of, and a refusal stops nothing."""
    visit = Visit(browser, alone, locale="en-GB", fragment="#t=42.5")
    told = visit.page.evaluate(
        """() => {
            window.changes = 0;
            history.replaceState = () => { changes += 1; throw new DOMException("too often", "SecurityError"); };
            for (let press = 0; press < 200; press += 1) dispatchEvent(new KeyboardEvent("keydown", { key: "." }));
            return document.getElementById("readout").textContent;
        }"""
    )
    visit.page.wait_for_function("() => changes > 0")

    assert told.startswith("Frame 1263 ")
    assert visit.page.evaluate("changes") == 1
    visit.page.keyboard.press(",")
    assert visit.readout().startswith("Frame 1262 ")
    assert visit.complaints == []


def test_turns_are_listed_and_lead_to_the_picture(browser: "Browser", alone: Path) -> None:
    """A click on a turn shows it, marks it, and can be repeated; the key T goes to the next."""
    visit = Visit(browser, alone, locale="en-GB")
    assert visit.page.inner_text("summary") == "Turns (29)"
    link = visit.page.locator("#turns_rows a").nth(3)
    for _ in range(2):
        link.click()
        visit.page.wait_for_function("() => document.querySelectorAll('#turns_rows .current').length === 1")
        assert visit.readout().startswith("Frame 313 of 3000 at 0:00:12.480 · timeline: SPEAKER_01")
        visit.page.keyboard.press("t")
        assert "0:00:16.480" in visit.readout()
    assert not visit.page.is_visible("#worst, #next, #play")
    assert "W worst" not in visit.page.inner_text("#help")


def test_a_timecode_can_be_copied(browser: "Browser", alone: Path) -> None:
    """With a full stop whatever the language: programs take it."""
    visit = Visit(browser, alone, locale="fr-FR", permissions=["clipboard-read", "clipboard-write"], fragment="#t=42.5")
    visit.page.click("#copy")
    visit.page.wait_for_function("() => document.getElementById('copy').textContent.startsWith('Copié')")

    assert visit.page.evaluate("navigator.clipboard.readText()") == "0:00:42.480"


def test_turns_can_be_downloaded(browser: "Browser", alone: Path, tmp_path: Path) -> None:
    """What arrives is RTTM that our reader takes."""
    visit = Visit(browser, alone)
    with visit.page.expect_download() as coming:
        visit.page.click("#downloads button >> nth=0")
    coming.value.save_as(tmp_path / "clip.rttm")

    assert coming.value.suggested_filename == "clip.rttm"
    assert len(rttm.read(tmp_path / "clip.rttm")) == 29


def test_axes_can_be_read_on_a_phone(browser: "Browser", alone: Path) -> None:
    """Letters of 13 pixels, and no more of them than there is room for; the list of turns needs no scrolling aside."""
    visit = Visit(browser, alone, **LAYOUTS["narrow"])
    axes = visit.page.evaluate(
        "['chart_overview', 'chart_lanes'].map(name => Bokeh.documents.at(-1).get_model_by_name(name).below[0])"
        ".map(axis => [axis.major_label_text_font_size, axis.ticker.desired_num_ticks])"
    )

    assert axes == [["13px", 4]] * 2
    assert visit.page.evaluate("(box => box.scrollWidth <= box.clientWidth)(document.getElementById('turns_region'))")


def test_without_scripts_the_verdict_and_the_tables_are_there(browser: "Browser", drift: Path) -> None:
    """Pictures need scripts; what was decided does not."""
    page = browser.new_context(java_script_enabled=False, offline=True).new_page()
    page.goto(drift.as_uri())
    shown = page.inner_text("main")

    assert "Drift: the candidate must not be used." in shown
    assert "DER, the worse direction" in shown
    assert "The pictures need JavaScript" in shown

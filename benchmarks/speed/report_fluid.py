"""Is the page of ten hours fluid? python benchmarks/speed/report_fluid.py [HOURS]; needs Chromium and playwright.

Prints the page's size, how long until it can be used, and per gesture what one key costs: processor time of the page's
main thread, which other work on the machine does not change, and the median time from the key to the second frame shown
after it, which it does; two frames at 60 Hz are 33 ms.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import sync_playwright

from tasks.engine.core.frames import FrameGrid, rate_of
from tasks.engine.core.timeline import Timeline, timeline_of
from tasks.engine.core.turns import SpeechScores, Turn
from tasks.engine.gate.verdict import compare
from tasks.engine.report.page import Side, Sound, write

STEP_SEC = 0.016875
SEED = 1

KEYS = (
    ("whole", "0", 1),
    ("zoom in from the whole", "+", 20),
    ("pan at a minute", "ArrowRight", 20),
    ("zoom out to the whole", "-", 20),
    ("zoom in, again", "+", 6),
    ("pan at an hour", "ArrowRight", 20),
)

PRESS = """async ([key, times]) => {
  const charts = document.getElementById("charts");
  const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const spent = [];
  for (let time = 0; time < times; time += 1) {
    const started = performance.now();
    charts.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    await frame();
    await frame();
    spent.push(performance.now() - started);
  }
  return spent.sort((one, other) => one - other)[Math.floor(times / 2)];
}"""


def main() -> None:
    """Write the page, open it, press keys, print the table."""
    seconds = 3600 * int(sys.argv[1] if len(sys.argv) > 1 else 10)
    path = shutil.which("chromium") or sys.exit("no Chromium here: on Debian, apt install chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page = Path(folder) / "report.html"
        started = time.perf_counter()
        make(page, seconds)
        print(f"{page.stat().st_size / 1e6:.1f} MB, written in {time.perf_counter() - started:.1f} s")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        ready, gestures = visit(browser, page)
        print(
            f"ready after {ready:.1f} s\n\n| gesture | processor ms | to the second frame, ms |\n| --- | ---: | ---: |"
        )
        for name, (spent, median) in gestures.items():
            print(f"| {name} | {spent:.0f} | {median:.0f} |")
        browser.close()


def make(path: Path, seconds: int) -> None:
    """A page with three speakers, a turn every three seconds, and a tenth of the turns lost."""
    random = np.random.default_rng(SEED)
    turns = [Turn(t + 0.2, t + 2.7, f"SPEAKER_{random.integers(3):02}") for t in range(0, seconds - 3, 3)]
    kept = [turn for turn in turns if random.random() > 0.1]
    one, other = (table(side, seconds, random) for side in (turns, kept))
    sound = Sound(random.normal(0, 0.1, seconds * 1000).astype(np.float32), 1000)
    write(path, Side(other, "candidate"), Side(one, "reference"), compare(one, other), sound)


def table(turns: list[Turn], seconds: int, random: np.random.Generator) -> Timeline:
    """Frames and noisy scores of these turns."""
    scores = np.full(int(seconds / STEP_SEC) + 1, 0.05, np.float32)
    for turn in turns:
        scores[int(turn.start / STEP_SEC) : int(turn.end / STEP_SEC)] = 0.93
    noisy = np.clip(scores + random.normal(0, 0.02, len(scores)), 0, 1).astype(np.float32)
    return timeline_of(turns, SpeechScores(noisy, 0.0, STEP_SEC), FrameGrid(25 * seconds, rate_of(25)))


def visit(browser: Any, path: Path) -> tuple[float, dict[str, tuple[float, float]]]:  # noqa: ANN401  # playwright's
    """Seconds until the page can be used, and milliseconds per gesture."""
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    started = time.perf_counter()
    page.goto(path.as_uri())
    page.wait_for_selector(":root[data-ready]", state="attached", timeout=120_000)
    ready = time.perf_counter() - started
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    found = {}
    for name, key, times in KEYS:
        before = busy(session)
        median = page.evaluate(PRESS, [key, times])
        found[name] = (1000 * (busy(session) - before) / times, median)
    return ready, found


def busy(session: Any) -> float:  # noqa: ANN401  # playwright's
    """Processor seconds of the page's main thread so far."""
    metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    return float(metrics["TaskDuration"])


if __name__ == "__main__":
    main()

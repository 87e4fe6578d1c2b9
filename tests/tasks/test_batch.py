"""Many videos: what needs no run has its outcome, what fails does not stop the rest."""

import json
import logging
import os
import platform
from pathlib import Path
from typing import Any

import pytest

from profiles.settings import Configuration
from tasks.batch import attempt, conclude, handed_over, plan, run_here, settled
from tasks.engine.batch.discovery import DiscoveredVideo, find_videos, mark_current
from tasks.engine.batch.outcomes import BatchTotals, VideoOutcome
from tasks.engine.core.errors import BatchError, DriftError, MediaError, UsageError

pytestmark = pytest.mark.usefixtures("clean_settings")

VIDEO = Path("/videos/clip.mp4")


def publishes(_video: Path) -> dict[str, Any]:
    """A run that ends well."""
    return {"verdict": "coherent"}


def raises(error: Exception) -> Any:
    """A run that does not."""

    def run(_video: Path) -> dict[str, Any]:
        raise error

    return run


def test_a_current_video_and_an_unusable_one_need_no_run() -> None:
    """Each has its outcome at once; any other video has none yet."""
    unusable = settled(DiscoveredVideo(VIDEO, UsageError("shares a name")))

    assert settled(DiscoveredVideo(VIDEO, current=True)) == VideoOutcome(str(VIDEO), current=True)
    assert unusable is not None
    assert (unusable.exit_code, unusable.error) == (2, "shares a name")
    assert settled(DiscoveredVideo(VIDEO)) is None


@pytest.mark.parametrize(
    ("error", "code"),
    [(DriftError("apart"), 3), (MediaError("cut short"), 4), (ZeroDivisionError("nobody foresaw"), 1)],
)
def test_a_run_that_fails_is_an_outcome(error: Exception, code: int) -> None:
    """With the exit code of its error, whatever it was: the next video must have its turn."""
    outcome = attempt(VIDEO, raises(error), None)

    assert outcome.exit_code == code
    assert str(error) in str(outcome.error)


def test_every_video_has_its_turn_behind_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    """A failure in the middle is counted and logged, and the last video is published."""
    runs = [publishes, raises(MediaError("cut short")), publishes]

    def take_turn(video: Path) -> dict[str, Any]:
        return dict(runs.pop(0)(video))

    with caplog.at_level(logging.INFO, "step4.batch"):
        totals = run_here([DiscoveredVideo(VIDEO)] * 3, take_turn)

    assert totals.published == {"coherent": 2}
    assert [record.levelname for record in caplog.records] == ["INFO", "ERROR", "INFO"]


def test_the_next_video_is_prepared_before_a_run_begins() -> None:
    """Only one that needs a run, and none twice; the last has no next."""
    told: list[str] = []
    videos = [
        DiscoveredVideo(Path("a")),
        DiscoveredVideo(Path("b"), current=True),
        DiscoveredVideo(Path("c")),
        DiscoveredVideo(Path("d")),
    ]

    def start(video: Path) -> dict[str, Any]:
        told.append(f"run {video}")
        return publishes(video)

    run_here(videos, start, prepare=lambda video: told.append(f"prepare {video}"))

    assert told == ["run a", "prepare d", "run c", "run d"]


def test_a_place_that_is_not_there_is_refused_before_any_run(tmp_path: Path) -> None:
    """A typo in the second folder must not cost a night on the first."""
    with pytest.raises(UsageError, match=f"nowhere does not exist on {platform.node()}"):
        plan([tmp_path, tmp_path / "nowhere"], None, Configuration.resolve())
    with pytest.raises(UsageError, match=f"nowhere does not exist in {Path.cwd()} on "):
        plan([Path("nowhere")], None, Configuration.resolve())


def test_a_batch_with_failures_fails_unless_some_success_is_enough() -> None:
    """AUDIO_PARTIAL_SUCCESS_OK; the report has the failures either way."""
    totals = BatchTotals()
    totals.add(VideoOutcome(str(VIDEO), verdict="coherent"))
    totals.add(VideoOutcome("other.mp4", 4, "cut short"))

    assert conclude(totals, partial_success_ok=True)["failed"] == 1
    with pytest.raises(BatchError) as caught:
        conclude(totals, partial_success_ok=False)
    assert caught.value.exit_code == 4
    assert caught.value.report["failures"][0]["video"] == "other.mp4"


def test_runs_are_handed_over_only_to_a_server_and_only_where_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an address, and with `here`, they run in this process."""
    import sys

    monkeypatch.delitem(sys.modules, "prefect.settings", raising=False)
    monkeypatch.setenv("PREFECT_API_URL", "")
    assert not handed_over(here=False)
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    assert handed_over(here=False)
    assert not handed_over(here=True)


def test_names_that_cannot_be_published_are_refused_before_any_run(tmp_path: Path) -> None:
    """Not UTF-8, or too long: the videos beside them have their turn, and the report can be written as UTF-8."""
    for name in (b"caf\xe9.mp4", b"a" * 245 + b".mp4", "Zoë.mp4".encode()):
        (tmp_path / os.fsdecode(name)).touch()
    started: list[str] = []

    def start(video: Path) -> dict[str, str]:
        started.append(video.name)
        return {"verdict": "coherent"}

    totals = run_here(mark_current(find_videos([tmp_path]), None, "asked"), start)
    report = json.dumps(totals.report(partial_success_ok=False), ensure_ascii=False).encode()

    assert started == ["Zoë.mp4"]
    assert [failure.exit_code for failure in totals.failures] == [2, 2]
    assert b"caf\\\\xe9.mp4" in report

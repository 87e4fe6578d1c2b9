"""The recipe of a batch, without a flow run around it; the run of one video is handed in."""

from pathlib import Path
from typing import IO, Any

import pytest
from media_samples import clip
from probing import probed_here

from flows.recipes.batch import run_batch
from profiles.settings import Configuration
from tasks.engine.core.errors import BatchError, MediaError, UsageError
from tasks.engine.dependencies import Dependencies, current_dependencies, use_dependencies
from tasks.engine.system.sandbox import Bounds, ProcessResult
from tasks.media import probe

pytestmark = pytest.mark.usefixtures("clean_settings")


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """Two files that are named like videos; nobody opens them here."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    for name in ("a.mp4", "b.mp4"):
        (folder / name).write_bytes(b"video")
    return folder


def test_every_video_is_run_with_what_was_chosen(inbox: Path, tmp_path: Path) -> None:
    """Folder and settings reach each run; verdicts are counted."""
    seen: list[tuple[str, Any, Any]] = []

    def analyse(video: Path, *, output: Path | None, **chosen: Any) -> dict[str, Any]:
        seen.append((video.name, output, chosen["num_speakers"]))
        return {"verdict": "reference"}

    report = run_batch([inbox], tmp_path / "out", here=True, analyse=analyse, num_speakers=2)

    assert sorted(seen) == [("a.mp4", tmp_path / "out", 2), ("b.mp4", tmp_path / "out", 2)]
    assert (report["exit_code"], report["published"]) == (0, {"reference": 2})


def test_a_failed_video_leaves_the_next_its_turn(inbox: Path) -> None:
    """The error comes when all were tried, with the report on it."""

    def analyse(video: Path, **_: Any) -> dict[str, Any]:
        if video.name == "a.mp4":
            raise MediaError("a.mp4: damaged")
        return {"verdict": "reference"}

    with pytest.raises(BatchError) as caught:
        run_batch([inbox], here=True, analyse=analyse)

    assert (caught.value.exit_code, caught.value.report["published"]) == (4, {"reference": 1})


def test_what_is_probed_ahead_is_what_the_run_asks(tmp_path: Path) -> None:
    """One process per video, whatever was chosen: an answer to another question would be no use."""
    for name in ("a.mp4", "b.mp4"):
        clip(tmp_path / name)
    probed: list[str] = []

    def runner(arguments: list[str], bounds: Bounds, stdout: int | IO[bytes]) -> ProcessResult:
        probed.append(Path(arguments[-3]).name)
        return probed_here(arguments, bounds, stdout)

    def analyse(video: Path, *, output: Path | None, **chosen: Any) -> dict[str, Any]:  # noqa: ARG001
        configuration = Configuration.resolve(chosen)
        probe(
            video,
            configuration.limits,
            configuration.audio_track,
            runner=current_dependencies().run_probe,
            accept_truncated=configuration.accept_truncated,
        )
        return {"verdict": "reference"}

    with use_dependencies(Dependencies(run_probe=runner)):
        run_batch([tmp_path], here=True, analyse=analyse, audio_track="1", accept_truncated=True)

    assert sorted(probed) == ["a.mp4", "b.mp4"]


def test_a_place_that_does_not_exist_is_a_wrong_request(inbox: Path) -> None:
    """No video is run where one of the places is missing."""
    with pytest.raises(UsageError, match="nowhere"):
        run_batch([inbox, inbox / "nowhere"], here=True, analyse=lambda *_, **__: pytest.fail("a video was run"))

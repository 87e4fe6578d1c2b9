"""The next video of a batch is probed ahead: the answer is the one that its own run would have got."""

import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest
from media_samples import clip
from probing import probed_here

from tasks.engine.core.constants import PROJECT
from tasks.engine.core.errors import MediaError
from tasks.engine.media.probe_ahead import ProbeAhead
from tasks.engine.system.sandbox import Bounds, ProcessResult
from tasks.media import probe


class Counting:
    """Runs probes in this process, and counts them."""

    def __init__(self) -> None:
        self.ran = 0

    def __call__(self, arguments: list[str], bounds: Bounds, stdout: int | IO[bytes]) -> ProcessResult:
        """As `sandbox.run`."""
        self.ran += 1
        return probed_here(arguments, bounds, stdout)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Four seconds."""
    return clip(tmp_path / "clip.mp4")


def ahead_of(video: Path) -> tuple[ProbeAhead, Counting]:
    """A runner whose probe of the video was started, and what it runs."""
    runner = Counting()
    ahead = ProbeAhead(probe, runner)
    ahead.start(video)
    return ahead, runner


def test_what_was_probed_ahead_is_not_probed_again(video: Path) -> None:
    """The same answer, from one process; a second run of the same video asks anew."""
    ahead, runner = ahead_of(video)

    assert probe(video, runner=ahead) == probe(video, runner=probed_here)
    assert runner.ran == 1
    probe(video, runner=ahead)
    assert runner.ran == 2


def test_a_file_that_was_written_since_is_probed_again(video: Path) -> None:
    """What is published is of the file as its run finds it."""
    ahead, runner = ahead_of(video)
    ahead._started[str(video)].result()
    video.write_bytes(clip(video.with_name("other.mp4"), rate="24").read_bytes())

    media = probe(video, runner=ahead)

    assert runner.ran == 2
    assert media == probe(video, runner=probed_here)


def test_another_question_is_asked_anew(video: Path) -> None:
    """A run with another audio track or another file gets no answer to what it did not ask."""
    ahead, runner = ahead_of(video)
    other = clip(video.with_name("other.mp4"), rate="24")

    assert probe(other, runner=ahead).sha256 != probe(video, audio_track="1", runner=ahead).sha256
    assert runner.ran == 3


def test_a_refusal_is_the_run_s(video: Path) -> None:
    """Whether the file is gone or damaged: starting says nothing, the run says why."""
    damaged = video.with_name("damaged.mp4")
    damaged.write_bytes(b"no video")
    for path in (damaged, video.with_name("missing.mp4")):
        ahead, _ = ahead_of(path)
        with pytest.raises(MediaError):
            probe(path, runner=ahead)


def test_a_process_that_ends_does_not_wait_for_it(video: Path) -> None:
    """Ctrl-C means stop: a probe of hours is no reason to stay."""
    script = (
        "import sys, time; from pathlib import Path; from profiles.settings import Configuration; "
        "from tasks.engine.media.probe_ahead import ProbeAhead; "
        "ProbeAhead(Configuration.resolve({}), lambda *_: time.sleep(600)).start(Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", script, video], cwd=PROJECT, check=True, timeout=120)

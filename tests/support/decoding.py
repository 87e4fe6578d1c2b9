"""Probing and decoding as a run does it, and where its sound is then heard."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from media_samples import heard
from probing import probed_here

from tasks.engine.core.errors import MediaError
from tasks.engine.media.containers import Media
from tasks.engine.media.decode import Samples, decode
from tasks.engine.media.limits import MediaLimits
from tasks.engine.media.probe_process import examine
from tasks.engine.system import sandbox
from tasks.engine.system.sandbox import Runner


def examined(video: Path, **options: Any) -> Media:
    """Probe within the default limits."""
    return examine(video.absolute(), video.stat().st_size, MediaLimits(), probed_here, **options)


def decoded_to(media: Media, destination: Path, runner: Runner = sandbox.run) -> Samples:
    """Decode within the default limits."""
    return decode(media, destination, runner, MediaLimits())


def decoded(video: Path, folder: Path) -> tuple[Media, Samples]:
    """Probe and decode."""
    media = examined(video)
    return media, decoded_to(media, folder / "samples.f32")


def assert_heard_at(media: Media, samples: Samples, start: float, end: float) -> None:
    """The burst lies at these seconds and in the right frames, within one frame."""
    frame = float(1 / media.grid.fps)
    first, last = heard(samples.load())
    assert abs(first - start) <= frame, first
    assert abs(last - end) <= frame, last
    centres = media.grid.centres()
    expected = np.searchsorted(centres, (start, end))
    assert np.all(np.abs(np.searchsorted(centres, (first, last)) - expected) <= 1)


def refusal(video: Path, folder: Path) -> str:
    """The message of the refusal, which leaves nothing behind; probing or decoding may refuse."""
    folder.mkdir()
    with pytest.raises(MediaError) as caught:
        decoded(video, folder)
    assert not list(folder.iterdir())
    message = str(caught.value)
    assert repr(video.name)[1:-1] in message
    assert "\n" not in message
    assert caught.value.exit_code == 4
    return message

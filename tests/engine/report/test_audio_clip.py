"""The sound that a page can play: bounded, loud enough, and from the right place."""

import base64
import io

import av
import numpy as np
import pytest
from pages import RATE, tone

from tasks.engine.report.audio_clip import MAX_SEC, AudioClip, encode_clip


def decoded(clip: AudioClip) -> np.ndarray:
    """(samples,) of a clip's `data:` URL, as a browser decodes them."""
    content = base64.b64decode(clip.address.removeprefix("data:audio/mp4;base64,"))
    with av.open(io.BytesIO(content)) as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])


def test_a_short_recording_is_there_whole() -> None:
    """From its start to its end, as AAC in MP4."""
    clip = encode_clip(tone(3), RATE, 1.0)

    assert (clip.start, clip.end) == (0, 3)
    assert len(decoded(clip)) / RATE == pytest.approx(3, abs=0.2)


@pytest.mark.parametrize(("around", "start"), [(0.0, 0.0), (5.0, 4.0), (9.9, 8.0), (-3.0, 0.0), (99.0, 8.0)])
def test_a_long_recording_is_cut_around_the_place_that_matters(around: float, start: float) -> None:
    """As long as allowed, and inside the recording."""
    clip = encode_clip(tone(10), RATE, around, max_sec=2.0)

    assert (clip.start, clip.end) == (start, start + 2.0)
    assert len(decoded(clip)) / RATE == pytest.approx(2, abs=0.2)


@pytest.mark.parametrize("gain", [1.0, 1e-4])
def test_quiet_sound_is_raised(gain: float) -> None:
    """What drifts is quiet: the loudest sample is brought near full scale, whatever it was; AAC overshoots it a bit."""
    samples = (tone(2) * gain).astype(np.float32)
    loud = np.percentile(np.abs(decoded(encode_clip(samples, RATE, 1.0))), 90)

    assert loud == pytest.approx(0.9, abs=0.1)


def test_silence_stays_silent() -> None:
    """There is nothing to raise, and nothing to divide by."""
    assert np.abs(decoded(encode_clip(np.zeros(RATE, np.float32), RATE, 0.5))).max() < 1e-3


def test_the_longest_clip_fits_a_page() -> None:
    """At 32 kbit/s and a third more as base64, under 7 MB."""
    assert MAX_SEC * 32_000 / 8 * 4 / 3 < 7e6

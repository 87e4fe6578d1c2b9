"""The recording that pyannote.audio ships."""

from pathlib import Path

import numpy as np
from decoding import decoded, examined
from scipy.io import wavfile

from tasks.engine.media.sample import QUIET, QUIET_FROM_SEC, make_clips, recording, recording_path


def test_the_recording_is_read_as_others_read_it() -> None:
    """30 s of mono at 16 kHz, bit for bit what scipy's reader gives."""
    rate, steps = wavfile.read(recording_path())
    samples = recording()

    assert (rate, samples.shape, samples.dtype) == (16000, (480_000,), np.float32)
    assert np.array_equal(samples, steps / np.float32(32768))


def test_the_clips_hold_the_recording(tmp_path: Path) -> None:
    """25 frames a second: all 30 s at their level, and the last 16 s at -80 dB."""
    make_clips(tmp_path)
    for name, seconds in (("clip.mp4", 30), ("quiet.mkv", 30 - QUIET_FROM_SEC)):
        media = examined(tmp_path / name)
        assert (media.grid.count, media.grid.fps) == (25 * seconds, 25)
    _, quiet = decoded(tmp_path / "quiet.mkv", tmp_path)

    np.testing.assert_allclose(quiet.load(), QUIET * recording()[QUIET_FROM_SEC * 16000 :], rtol=0, atol=1e-9)

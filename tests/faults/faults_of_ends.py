"""Faults at both ends: of what was heard, and of speakers and frames."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from replay import Reference, Run, Samples
from scipy.signal import resample_poly
from striking import Array, output_of, sound, table
from trial import Fault, Size

from tasks.engine.core.constants import SAMPLE_RATE
from tasks.engine.core.frames import FrameGrid
from tasks.engine.core.stages import Stage
from tasks.engine.core.timeline import Timeline
from tasks.engine.diagnosis.patching import on_frames

RNG = np.random.Generator


def other_rate(samples: Samples, share: float, _rng: RNG) -> Samples:
    """Samples read at a rate that is wrong by a share; as many of them as before."""
    places = np.arange(len(samples)) * (1 + share)
    return np.interp(places, np.arange(len(samples)), samples, right=0.0)


def through_int16(samples: Samples, decibels: float, _rng: RNG) -> Samples:
    """Turned down, then stored as whole numbers of 16 bits."""
    return np.rint(samples * 10 ** (decibels / 20) * 32768) / 32768


def linear_resampler(samples: Samples, rate: int, _rng: RNG) -> Samples:
    """To 16 kHz by linear interpolation of a recording at another rate, where a band-limited filter is due."""
    there = resample_poly(samples, rate // 100, SAMPLE_RATE // 100)
    places = np.arange(len(samples)) * rate / SAMPLE_RATE
    return np.interp(places, np.arange(len(there)), there)


def truncated(samples: Samples, lost: float, _rng: RNG) -> Samples:
    """The last seconds are missing."""
    return samples[: len(samples) - round(lost * SAMPLE_RATE)]


def quiet_start(samples: Samples, decibels: float, _rng: RNG) -> Samples:
    """The first two fifths far below the rest."""
    samples[: len(samples) * 2 // 5] *= np.float32(10 ** (decibels / 20))
    return samples


def gap(samples: Samples, lost: float, _rng: RNG) -> Samples:
    """Silence in place of some seconds."""
    middle = len(samples) // 2
    samples[middle : middle + round(lost * SAMPLE_RATE)] = 0
    return samples


def noise(samples: Samples, decibels: float, rng: RNG) -> Samples:
    """White noise that the reference does not hear."""
    return samples + rng.normal(scale=10 ** (decibels / 20), size=len(samples))


def merged(clusters: Array, _size: Size, _rng: RNG) -> Array:
    """Two speakers of the file become one."""
    clusters[clusters == 2] = 1
    return clusters


def lost_speaker(clusters: Array, windows: int, _rng: RNG) -> Array:
    """The speaker with fewest windows is idle in some of them."""
    names, counts = np.unique(clusters[clusters >= 0], return_counts=True)
    places = np.argwhere(clusters == names[np.argmin(counts)])[:windows]
    clusters[places[:, 0], places[:, 1]] = -2
    return clusters


def extra_speaker(clusters: Array, windows: int, _rng: RNG) -> Array:
    """A speaker of some windows is taken for somebody new."""
    places = np.argwhere(clusters == 0)[:windows]
    clusters[places[:, 0], places[:, 1]] = clusters.max() + 1
    return clusters


def confused(clusters: Array, windows: int, _rng: RNG) -> Array:
    """The file's speakers exchanged from the last so many windows on."""
    late = clusters[len(clusters) - windows :]
    late[late >= 0] = late.max() - late[late >= 0]
    return clusters


def shifted(timeline: Timeline, frames: int, _rng: RNG) -> Timeline:
    """Every row some frames late."""
    assert timeline.scores is not None
    return replace(
        timeline,
        speech=np.roll(timeline.speech, frames),
        active=np.roll(timeline.active, frames, axis=0),
        count=np.roll(timeline.count, frames),
        scores=np.roll(timeline.scores, frames),
    )


def moved_speech(timeline: Timeline, seconds: float, _rng: RNG) -> Timeline:
    """The same percentage of speech at other places, scores as they were."""
    late = shifted(timeline, round(seconds * timeline.fps), _rng)
    return replace(late, scores=timeline.scores)


def swapped(timeline: Timeline, share: float, _rng: RNG) -> Timeline:
    """Labels exchanged in the last share of the frames."""
    active = timeline.active.copy()
    late = round(len(active) * (1 - share))
    active[late:] = active[late:, ::-1]
    return replace(timeline, active=active)


def scores_off(timeline: Timeline, offset: float, _rng: RNG) -> Timeline:
    """Every score moved, every decision as it was."""
    assert timeline.scores is not None
    return replace(timeline, scores=np.clip(timeline.scores - np.float32(offset), 0, 1))


def clock_off(timeline: Timeline, frames: float, _rng: RNG) -> Timeline:
    """Timecodes of the frame before or behind, rows as they were: frames are compared by number."""
    return replace(timeline, timecodes=timeline.timecodes + frames / float(timeline.fps))


def renumbered(timeline: Timeline, frames: int, _rng: RNG) -> Timeline:
    """Numbered from another frame on: the first rows are missing, or empty ones stand before them."""
    rows = slice(max(frames, 0), None)
    assert timeline.scores is not None
    parts = {name: getattr(timeline, name)[rows] for name in ("timecodes", "speech", "active", "count", "scores")}
    return replace(timeline, **parts)


def broken_score(timeline: Timeline, frames: int, _rng: RNG) -> Timeline:
    """Scores that are no numbers, in the finished table."""
    assert timeline.scores is not None
    scores = timeline.scores.copy()
    scores[:frames] = np.nan
    return replace(timeline, scores=scores)


def other_audio(timeline: Timeline, sha256: str, _rng: RNG) -> Timeline:
    """A table that says it comes from other samples."""
    return replace(timeline, metadata={"source": {"samples_sha256": sha256}})


def false_speech(timeline: Timeline, frames: int, _rng: RNG) -> Timeline:
    """Somebody speaks where nobody does."""
    heard = np.arange(timeline.frames) < frames
    return replace(timeline, speech=heard, speakers=("A",), active=heard[:, None], count=heard.astype(np.uint8))


def at_rate(stated: bool) -> Any:
    """Laid on frames of another rate, as many of them; the table says so or does not."""

    def mutate(reference: Reference, rate: Size, _rng: RNG) -> Run:
        wrong = on_frames(reference.diarization, FrameGrid(reference.grid.count, Fraction(str(rate))))
        fps = wrong.fps if stated else reference.grid.fps
        return replace(reference.run, timeline=replace(wrong, fps=fps, metadata=reference.timeline.metadata))

    return mutate


def stale(reference: Reference, start: Size, _rng: RNG) -> Run:
    """The table of another video of the same length: the clip's sound from another place on."""
    other = np.roll(reference.samples, -round(float(start) * SAMPLE_RATE))
    return replace(reference.run, timeline=reference.hear(other).timeline)


SAMPLES, CLUSTERS, FRAMES = Stage.SAMPLES, Stage.CLUSTERS, Stage.FRAMES

HEARD = (
    Fault("sample rate off by a share", SAMPLES, (1e-6, 1e-3, 0.01), sound(other_rate), clip="piece"),
    Fault("through int16 at dB", SAMPLES, (-20, -40, -70), sound(through_int16), clip="piece"),
    Fault("linear resampling from Hz", SAMPLES, (44100, 22000, 8000), sound(linear_resampler), clip="piece"),
    Fault("truncated tail, seconds", SAMPLES, (0.01, 0.5, 4.0), sound(truncated), clip="piece"),
    Fault("quiet first minutes, dB", SAMPLES, (-0.001, -40, -80), sound(quiet_start), clip="piece"),
    Fault("gap of silence, seconds", SAMPLES, (0.001, 0.5, 3.0), sound(gap), clip="piece"),
    Fault("noise on one side, dB", SAMPLES, (-140, -20), sound(noise), clip="piece"),
)

SPEAKERS = (
    Fault("merged pair of speakers", CLUSTERS, ("2 into 1",), output_of(CLUSTERS, merged), clip="joined"),
    Fault("lost minor speaker, windows", CLUSTERS, (1, 4, 99), output_of(CLUSTERS, lost_speaker), clip="joined"),
    Fault("false extra speaker, windows", CLUSTERS, (1, 3, 9), output_of(CLUSTERS, extra_speaker), clip="joined"),
    Fault("speakers swapped in the last windows", CLUSTERS, (1, 10), output_of(CLUSTERS, confused)),
    # Not harmless: where two speakers of equal weight compete for a frame, pyannote gives it to the lower number.
    Fault("cluster numbers swapped in all windows", CLUSTERS, (21,), output_of(CLUSTERS, confused)),
    Fault("labels swapped in a share of frames", FRAMES, (0.002, 0.1, 0.5), table(swapped)),
    Fault("labels swapped in all frames", FRAMES, (1.0,), table(swapped), harmless=True),
)

TABLES = (
    Fault("frames late", FRAMES, (1, 2, 25), table(shifted)),
    Fault("same percentage elsewhere, seconds", FRAMES, (0.04, 1, 10), table(moved_speech)),
    Fault("score offset in the table", FRAMES, (0.001, 0.02, 0.05, 0.3), table(scores_off)),
    Fault("wrong fps, not stated", FRAMES, (24.999, 24, 30), at_rate(stated=False)),
    Fault("wrong fps, stated", FRAMES, (24.99, 24, 50), at_rate(stated=True), says="frames per second"),
    Fault("frames numbered from another one", FRAMES, (1, 2), table(renumbered), says="frames and the candidate"),
    Fault("clock off by frames", FRAMES, (-1, 1), table(clock_off), harmless=True),
    Fault("stale reference of another video", FRAMES, (3, 9), stale),
    Fault("false speech in a silent file, frames", FRAMES, (1, 50), table(false_speech), clip="silence"),
    Fault("other audio stated", FRAMES, ("0" * 64,), table(other_audio), says="different audio"),
    Fault("NaN scores in the table", FRAMES, (1, 750), table(broken_score), says="not a finite number"),
)

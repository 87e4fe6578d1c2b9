"""Clips with references, and what recorders and editors do to them: the cases of `level_invariance.py`."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyannote.core import Annotation, Segment
from scipy.io import wavfile

from tasks.engine.media.sample import recording_path

RATE = 16000
CLIP = 30 * RATE

Samples = NDArray[np.float32]


class Clip(NamedTuple):
    """Samples (samples,), who really speaks, and the stretch that counts, in seconds."""

    name: str
    samples: Samples
    reference: Annotation
    scored: Segment


def load(folder: Path) -> list[Clip]:
    """The recording that pyannote.audio ships and the folder's clips, cut to 30 s."""
    from pyannote.database.util import load_rttm

    found = []
    for path in [recording_path(), *sorted(folder.glob("*.wav"))]:
        rate, samples = wavfile.read(path)
        if rate != RATE:
            sys.exit(f"{path}: {rate} Hz, expected {RATE}")
        scale = 32768 if samples.dtype == np.int16 else 1
        reference = next(iter(load_rttm(path.with_suffix(".rttm")).values()))
        found.append(
            Clip(path.stem, (samples[:CLIP] / np.float32(scale)).astype(np.float32), reference, Segment(0, 30))
        )
    return found


def changed(clips: list[Clip], change: Callable[[Samples], Any]) -> list[Clip]:
    """Every clip, its samples changed."""
    return [clip._replace(samples=change(clip.samples).astype(np.float32)) for clip in clips]


def db(decibels: float) -> np.float32:
    """Decibels as a factor."""
    return np.float32(10 ** (decibels / 20))


def within(clips: list[Clip], before: Samples, after: Samples, *, factor: float = 1.0) -> list[Clip]:
    """Every clip times the factor, between two other sounds; scored where the clip is."""
    shift = len(before) / RATE
    return [
        Clip(
            clip.name,
            np.concatenate((before, clip.samples * np.float32(factor), after)),
            moved(clip.reference, shift),
            Segment(shift, shift + 30),
        )
        for clip in clips
    ]


def moved(reference: Annotation, shift: float) -> Annotation:
    """The reference, so many seconds later."""
    later = Annotation()
    for segment, track, label in reference.itertracks(yield_label=True):
        later[Segment(segment.start + shift, segment.end + shift), track] = label
    return later


def next_to(clips: list[Clip], decibels: float, neighbour: float, *, first: bool) -> list[Clip]:
    """Every clip at one level, scored alone, joined to the next clip at another level."""
    nothing = np.zeros(0, dtype=np.float32)
    joined = []
    for clip, other in zip(clips, clips[1:] + clips[:1], strict=True):
        loud = other.samples * db(neighbour)
        joined += within([clip], nothing if first else loud, loud if first else nothing, factor=float(db(decibels)))
    return joined


def surrounded(clips: list[Clip], sound: Samples) -> list[Clip]:
    """Every clip with the same sound before and after, in which any speech found is false."""
    return [clip._replace(scored=Segment(0, len(clip.samples) / RATE)) for clip in within(clips, sound, sound)]


def hiss(seconds: int) -> Samples:
    """Triangular noise of one step of 16-bit audio, what a dithered recorder writes when nothing is plugged in."""
    steps = np.random.default_rng(0).uniform(-0.5, 0.5, (2, seconds * RATE)).sum(axis=0)
    return (np.rint(steps) / 32768).astype(np.float32)


def click(samples: Samples) -> Samples:
    """One 10 ms burst at full scale, 1 kHz, in the middle."""
    clicked = samples.copy()
    clicked[CLIP // 2 : CLIP // 2 + RATE // 100] = np.tile(np.repeat(np.float32([1, -1]), 8), 10)
    return clicked


def levels(clips: list[Clip]) -> dict[str, list[Clip]]:
    """One recording level each."""
    cases = {"+10, clipped": changed(clips, lambda s: (s * db(10)).clip(-1, 1))}
    return cases | {f"{d:+d}": changed(clips, lambda s, d=d: s * db(d)) for d in (10, 0, -20, -40, -60, -80)}


def hard_cases(clips: list[Clip]) -> dict[str, list[Clip]]:
    """What recorders and editors do to speech."""
    zeros, long = np.zeros(15 * RATE, dtype=np.float32), np.zeros(135 * RATE, dtype=np.float32)
    return {
        "quiet (-40) before loud: quiet half": next_to(clips, -40, 0, first=True),
        "loud before quiet (-40): quiet half": next_to(clips, -40, 0, first=False),
        "50 % zeros": surrounded(clips, zeros),
        "90 % zeros": surrounded(clips, long),
        "50 % hiss": surrounded(clips, hiss(15)),
        "+20, clipped": changed(clips, lambda s: (s * db(20)).clip(-1, 1)),
        "-20, offset 0.1": changed(clips, lambda s: s * db(-20) + np.float32(0.1)),
        "-20, offset 0.5": changed(clips, lambda s: s * db(-20) + np.float32(0.5)),
        "-20, click": changed(clips, lambda s: click(s * db(-20))),
        "-40, 16 bits": changed(clips, lambda s: np.rint(s * db(-40) * 32768) / 32768),
    }

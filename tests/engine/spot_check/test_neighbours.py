"""Windows against their neighbours: one that lies apart stands out, wherever it is and whatever went wrong in it."""

from dataclasses import replace

import numpy as np
import pytest
from pyannote.core import SlidingWindow

from tasks.engine.inference.recomputation import Layout
from tasks.engine.inference.window_outputs import WindowOutputs
from tasks.engine.spot_check import neighbours
from tasks.engine.spot_check.neighbours import JOINT, disagreement, first_frames, repeated

COUNT = 30
LAYOUT = Layout(SlidingWindow(start=0, duration=10, step=1), SlidingWindow(start=0, duration=0.1, step=0.1), COUNT)


def talk() -> WindowOutputs:
    """Half a minute in which one person speaks, then another, every ten windows in turn; each has an embedding."""
    when = np.arange(10 * (COUNT + 9)) // 100 % 2
    decisions = np.stack([np.eye(2, dtype=np.uint8)[when[10 * i : 10 * i + 100]] for i in range(COUNT)])
    embeddings = np.tile(np.eye(2, 4, dtype=np.float32), (COUNT, 1, 1))
    return WindowOutputs(np.ones((COUNT, 100), np.float32), decisions, embeddings)


def test_sound_windows_agree() -> None:
    """Nothing differs where every window heard the same."""
    found = disagreement(talk(), LAYOUT)

    assert found.speech.max() == pytest.approx(0)
    assert found.activity.max() == pytest.approx(0)
    assert found.voices.max() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("broken", [0, 1, 15, COUNT - 1])
def test_a_silent_window_stands_out(broken: int) -> None:
    """At either end and in the middle: the farthest from the others is the one that was broken."""
    windows = talk()
    windows.speech[broken] = 0
    windows.decisions[broken] = 0
    found = disagreement(windows, LAYOUT)

    assert int(np.argmax(found.speech)) == int(np.argmax(found.activity)) == broken
    assert found.speech[broken] == pytest.approx(1)


@pytest.mark.parametrize("broken", [0, 15, COUNT - 1])
def test_exchanged_voices_stand_out(broken: int) -> None:
    """Decisions and scores as they were, the embeddings of a window exchanged: another voice than both neighbours'."""
    windows = talk()
    windows.embeddings[broken] = windows.embeddings[broken, ::-1].copy()
    found = disagreement(windows, LAYOUT)

    assert found.voices[broken] == pytest.approx(1)
    assert found.speech.max() == pytest.approx(0)


@pytest.mark.parametrize("shift", [1, 2])
def test_a_window_at_anothers_place_stands_out(shift: int) -> None:
    """Two windows exchanged, next to each other or one apart: each would fit where it belongs."""
    windows = talk()
    windows.speech[:] = windows.decisions[..., 0]
    clean = disagreement(windows, LAYOUT)
    pair = [14, 14 + shift]
    windows.speech[pair] = windows.speech[pair[::-1]]
    found = disagreement(windows, LAYOUT)

    assert clean.moved.max() == pytest.approx(0, abs=1e-9)
    assert set(np.argsort(found.moved)[-2:].tolist()) == set(pair)
    assert found.moved[pair].min() > 0.05


def test_decisions_that_contradict_the_scores_stand_out() -> None:
    """Somebody probably speaks in every frame of a window, and it decides on nobody."""
    windows = talk()
    windows.decisions[15] = 0
    found = disagreement(windows, LAYOUT)

    assert found.decided.tolist() == [float(i == 15) for i in range(COUNT)]


def heard(seed: int) -> WindowOutputs:
    """As above, with scores that no two windows share."""
    windows = talk()
    windows.speech[:] -= np.random.default_rng(seed).uniform(0, 0.1, windows.speech.shape)
    windows.embeddings[:] += np.random.default_rng(seed).uniform(0, 0.1, windows.embeddings.shape)
    return windows


SOUND = np.random.default_rng(1).normal(size=16000 * (COUNT + 9)).astype(np.float32)
STARTS = np.arange(COUNT) * 16000


@pytest.mark.parametrize("part", ["speech", "embeddings"])
def test_a_stale_buffer_is_found(part: str) -> None:
    """A window that holds another's scores or embeddings bit for bit, next to it or far away."""
    windows = heard(1)
    values = getattr(windows, part)
    values[[6, 20]] = values[[5, 11]]

    assert repeated(heard(1), STARTS, SOUND, 160000) == []
    assert repeated(windows, STARTS, SOUND, 160000) == [6, 20]


def test_sound_that_repeats_itself_is_no_stale_buffer() -> None:
    """Where two windows heard the same samples, they may say the same; silence is like silence."""
    windows = heard(1)
    windows.speech[20] = windows.speech[5]
    windows.embeddings[20] = windows.embeddings[5]
    loop = SOUND.copy()
    loop[20 * 16000 : 30 * 16000] = loop[5 * 16000 : 15 * 16000]

    assert repeated(windows, STARTS, SOUND, 160000) == [20]
    assert repeated(windows, STARTS, loop, 160000) == []
    quiet = WindowOutputs.of(np.zeros((COUNT, 100), np.float32), np.zeros((COUNT, 100, 2)))
    assert repeated(quiet, STARTS, SOUND, 160000) == []


def test_who_says_next_to_nothing_is_no_stale_buffer() -> None:
    """Frames of the embedding network are longer: a word's beginning at a window's end may weigh none of them.

    What is pooled then is nothing, which gives the same bits whatever was heard.
    """
    windows = heard(1)
    for place in (5, 20):
        windows.decisions[place] = 0
        windows.decisions[place, :-1, 0] = windows.decisions[place, -1, 1] = 1
        windows.embeddings[place, 1] = 7

    assert repeated(windows, STARTS, SOUND, 160000) == []
    windows.embeddings[20, 0] = windows.embeddings[5, 0]
    assert repeated(windows, STARTS, SOUND, 160000) == [20]


def test_a_single_window_has_no_neighbours() -> None:
    """Nothing is said of it."""
    found = disagreement(talk().at(np.array([3])), Layout(LAYOUT.windows, LAYOUT.frames, 1))

    assert found.speech.tolist() == found.voices.tolist() == [0]


def test_voices_are_compared_in_every_window_that_overlaps(monkeypatch: pytest.MonkeyPatch) -> None:
    """In blocks as window by window: the median distance to the same person, who talks at the same time there."""
    windows, firsts = talk(), first_frames(LAYOUT)
    noise = np.random.default_rng(0).normal(scale=0.3, size=windows.embeddings.shape).astype(np.float32)
    windows = replace(windows, embeddings=windows.embeddings + noise)
    frames, active = windows.speech.shape[1], windows.decisions.astype(float)
    vectors = windows.embeddings / np.linalg.norm(windows.embeddings, axis=2, keepdims=True)
    expected = np.zeros(len(windows))
    for i, one in np.argwhere(windows.heard):
        found = []
        for j, other in np.argwhere(windows.heard):
            shift = int(firsts[j] - firsts[i])
            if j == i or abs(shift) >= frames:
                continue
            ours = active[i, max(shift, 0) : frames + min(shift, 0), one]
            theirs = active[j, max(-shift, 0) : frames + min(-shift, 0), other]
            if ours @ theirs > JOINT * min(ours.sum(), theirs.sum()) > 0:
                found.append(1 - vectors[i, one] @ vectors[j, other])
        expected[i] = max(expected[i], np.median(found) if found else 0)

    assert expected.max() > 0.1
    for together in (4, 256):
        monkeypatch.setattr(neighbours, "TOGETHER", together)
        assert np.allclose(neighbours.from_the_same_voice(windows, firsts), expected, atol=1e-6)

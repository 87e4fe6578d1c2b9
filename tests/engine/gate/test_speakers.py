"""DER and JER: equal to pyannote.metrics, symmetric where they must be."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from tasks.engine.core.timeline import Timeline
from tasks.engine.gate.speakers import best_pairs, compare_speakers
from tasks.engine.gate.verdict import compare

Activity = NDArray[np.bool_]
FRAMES = 24


@st.composite
def activities(draw: st.DrawFn) -> Activity:
    """(FRAMES, 0 to 4) activity made of runs, so that speakers overlap in more than chance frames."""
    columns = draw(st.integers(0, 4))
    active = np.zeros((FRAMES, columns), dtype=bool)
    for column in range(columns):
        for first, stop in draw(st.lists(st.tuples(st.integers(0, FRAMES), st.integers(0, FRAMES)), max_size=3)):
            active[first:stop, column] = True
    return active


def voices(active: Activity, prefix: str = "s") -> tuple[list[str], Activity]:
    """Those who speak, with names."""
    used = np.flatnonzero(active.any(axis=0))
    return [f"{prefix}{column}" for column in used], active[:, used]


def annotation(names: list[str], active: Activity) -> Any:
    """The same as a pyannote annotation, one second per frame."""
    from pyannote.core import Annotation, Segment

    result = Annotation()
    for name, column in zip(names, active.T, strict=True):
        edges = np.flatnonzero(np.diff(column, prepend=False, append=False)).reshape(-1, 2)
        for first, stop in edges.tolist():
            result[Segment(first, stop), name] = name
    return result


def shared_frames(first: Activity, second: Activity) -> NDArray[np.int64]:
    """(R, C) frames in which both speak."""
    return first.astype(np.int64).T @ second.astype(np.int64)


def best_mappings(shared: NDArray[np.int64]) -> int:
    """How many assignments, pairs that share nothing aside, share the most frames: tried one by one."""
    size = max(shared.shape, default=0)
    square = np.zeros((size, size), dtype=np.int64)
    square[: shared.shape[0], : shared.shape[1]] = shared
    sums: dict[int, set[frozenset[tuple[int, int]]]] = {}
    for columns in itertools.permutations(range(size)):
        pairs = frozenset(pair for pair in enumerate(columns) if square[pair])
        sums.setdefault(sum(int(square[pair]) for pair in pairs), set()).add(pairs)
    return len(sums[max(sums)])


@settings(deadline=None, max_examples=300)
@given(reference=activities(), candidate=activities())
def test_rates_equal_those_of_pyannote_metrics(reference: Activity, candidate: Activity) -> None:
    """DER always; JER wherever the best mapping is unique, and never above it elsewhere; in both directions."""
    from pyannote.core import Segment
    from pyannote.core import Timeline as Support
    from pyannote.metrics.diarization import DiarizationErrorRate, JaccardErrorRate

    speakers, others = voices(reference), voices(candidate, "t")
    agreement = compare_speakers(speakers, others)
    support = Support([Segment(0, FRAMES)])
    there = annotation(*speakers), annotation(*others)
    unique = best_mappings(shared_frames(speakers[1], others[1])) == 1

    for (left, right), der, jer in (
        (there, agreement.der[0], agreement.jer[0]),
        (there[::-1], agreement.der[1], agreement.jer[1]),
    ):
        assert der == pytest.approx(100 * DiarizationErrorRate()(left, right, uem=support))
        expected = 100 * JaccardErrorRate()(left, right, uem=support)
        if not (speakers[0] or others[0]):
            assert jer == 0  # pyannote calls two empty annotations 100 % wrong
        elif unique:
            assert jer == pytest.approx(expected)
        else:
            assert jer <= expected + 1e-9


@settings(deadline=None)
@given(
    shared=hnp.arrays(
        np.int64, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=5), elements=st.integers(0, 9)
    )
)
def test_pairs_share_as_many_frames_as_possible(shared: NDArray[np.int64]) -> None:
    """No one-to-one assignment, tried one by one, shares more; shortcut and solver alike."""
    pairs = best_pairs(shared, np.zeros(shared.shape))
    wide = shared if shared.shape[0] <= shared.shape[1] else shared.T
    rows = np.arange(wide.shape[0])
    most = max(
        int(wide[rows, list(columns)].sum()) for columns in itertools.permutations(range(wide.shape[1]), len(rows))
    )

    assert sum(int(shared[pair]) for pair in pairs) == most
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
    assert all(shared[pair] for pair in pairs)


def test_equal_mappings_are_decided_by_overlap_not_by_order() -> None:
    """Two candidates share as many frames with the speaker: the one that says less beside it is the partner."""
    reference = (["A"], np.array([[1, 1, 1, 1, 0, 0, 0, 0]], dtype=bool).T)
    talker = np.array([1, 1, 0, 0, 1, 1, 1, 1], dtype=bool)
    terse = np.array([0, 0, 1, 1, 0, 0, 0, 0], dtype=bool)

    first = compare_speakers(reference, (["talker", "terse"], np.column_stack([talker, terse])))
    second = compare_speakers(reference, (["terse", "talker"], np.column_stack([terse, talker])))

    assert first.mapping == second.mapping == {"A": "terse"}
    assert first.jer == second.jer


def test_jer_direction_matters() -> None:
    """An extra speaker is unpaired and unseen one way, fully wrong the other."""
    single = (["A"], np.array([[1, 1, 1, 1, 0]], dtype=bool).T)
    double = (["A", "B"], np.array([[1, 1, 1, 1, 0], [0, 0, 0, 0, 1]], dtype=bool).T)
    agreement = compare_speakers(single, double)

    assert agreement.jer == (0, 50)
    assert agreement.der == (25, 20)
    assert (agreement.jer.worse, agreement.der.worse) == (50, 25)


@settings(deadline=None)
@given(reference=activities(), candidate=activities(), order=st.randoms(use_true_random=False))
def test_the_gate_does_not_depend_on_sides_names_or_order(
    timeline: Callable[..., Timeline], reference: Activity, candidate: Activity, order: Any
) -> None:
    """Exchanging the sides, or renaming and reordering speakers, changes no value and no verdict."""

    def make(active: Activity, names: list[str]) -> Timeline:
        spans = {
            name: np.flatnonzero(np.diff(column, prepend=False, append=False)).reshape(-1, 2).tolist()
            for name, column in zip(names, active.T, strict=True)
        }
        return timeline(spans, FRAMES)

    names = [f"s{column}" for column in range(candidate.shape[1])]
    first, second = make(reference, [f"r{column}" for column in range(reference.shape[1])]), make(candidate, names)
    order.shuffle(names)
    results = [compare(first, second), compare(second, first), compare(first, make(candidate, names))]

    assert len({result.verdict for result in results}) == 1
    assert len({tuple(criterion.value for criterion in result.criteria) for result in results}) == 1

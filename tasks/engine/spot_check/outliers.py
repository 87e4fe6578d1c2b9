"""Outliers: windows that lie apart from their neighbours, to be computed again one by one."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from tasks.engine.core.choices import Engine
from tasks.engine.inference.window_outputs import Recomputed, WindowOutputs
from tasks.engine.spot_check.neighbours import Disagreement

MOST = 0.2
"""Of all windows: where more are outliers, computing them again costs more than it can save."""


@dataclass(frozen=True, slots=True)
class Lines:
    """From where on a window is an outlier, and how far an embedding may lie from the reference's.

    Chosen so that about one sound window in a hundred is an outlier: docs/lab_notes/sampled_reference.md.

    Attributes:
        speech: of `Disagreement`.
        activity: likewise.
        moved: likewise.
        decided: likewise.
        voices: likewise.
        embedding: cosine distance of a window's embedding from the reference's, where somebody is heard well.
    """

    speech: float = 0.18
    activity: float = 0.5
    moved: float = 0.025
    decided: float = 0.15
    voices: float = 0.65
    embedding: float = 0.02


LINES = {Engine.EXACT: Lines(), Engine.SHARED: Lines(embedding=0.9)}

MEASURES = tuple(field.name for field in fields(Disagreement))


def outliers_of(found: Disagreement, lines: Lines) -> NDArray[np.int64]:
    """Return the places of the windows beyond any line, ascending."""
    beyond = [getattr(found, name) > getattr(lines, name) for name in MEASURES]
    return np.flatnonzero(np.any(beyond, axis=0)).astype(np.int64)


def worst_of(found: Disagreement, lines: Lines) -> dict[str, dict[str, float]]:
    """Return the worst window of each measure, and the line."""
    return {
        name: {
            "value": float(getattr(found, name).max()),
            "window": int(np.argmax(getattr(found, name))),
            "line": getattr(lines, name),
        }
        for name in MEASURES
    }


def doubts_of_outliers(
    windows: WindowOutputs, outliers: NDArray[np.int64], more: Recomputed | None, wrong: NDArray[np.bool_]
) -> Iterator[str]:
    """Say which windows that lie apart from their neighbours are not what the reference gives, or too many to ask."""
    if len(outliers) > MOST * len(windows):
        yield f"neighbouring windows: {len(outliers)} of {len(windows)} lie apart from theirs, over {MOST:.0%}"
    elif len(outliers) and more is None:
        yield f"neighbouring windows: {len(outliers)} lie apart from theirs and cannot be computed again"
    elif wrong.any():
        found = f"{wrong.sum()} of {len(outliers)} that lie apart from theirs are beyond the limits"
        yield f"neighbouring windows: {found}, the first is window {outliers[np.argmax(wrong)]}"

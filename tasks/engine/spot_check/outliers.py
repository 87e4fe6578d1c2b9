"""Outliers: windows that lie apart from their neighbours, to be computed again one by one."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from tasks.engine.core.choices import Engine
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

"""Plot who speaks when as a PNG, candidate above reference, small enough to be embedded in a page."""

import io
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tasks.engine.core.timeline import Timeline

MAX_COLUMNS = 1200
"""Most pixels along a lane: ten hours cost no more than one."""

PALETTE = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377")
"""Paul Tol's bright scheme: told apart by colour-blind eyes too. Red is reserved for the frames that differ."""

DIFFERS = "#cc0000"
MAX_LANES = 24
MAX_LABEL_LENGTH = 28


def draw(candidate: Timeline, reference: Timeline | None = None) -> bytes:
    """Draw a lane per speaker, and where both sides are given one for the frames that differ in speech.

    A lane's colour is as strong as the share of frames in a column that it is active in.

    Args:
        candidate: what would be published.
        reference: what it was compared with. With another number of frames, no differing frames are shown.

    Returns:
        A PNG file; the same for the same timelines.
    """
    from matplotlib.colors import to_rgb  # noqa: PLC0415  # half a second
    from matplotlib.figure import Figure  # noqa: PLC0415

    lanes = list(_lanes(candidate, reference))[:MAX_LANES]
    columns = max(min(MAX_COLUMNS, candidate.frames), 1)
    strength = np.stack([shares(active, columns) for _, _, active in lanes])  # (lanes, columns)
    colours = np.array([to_rgb(colour) for _, colour, _ in lanes])  # (lanes, 3)
    cells = 1 - strength[:, :, None] * (1 - colours[:, None, :])  # (lanes, columns, 3), white where nobody speaks
    figure = Figure(figsize=(10, 0.7 + 0.28 * len(lanes)), layout="constrained")
    axes = figure.subplots()
    end = float(candidate.frame_ends()[-1]) if candidate.frames else 1.0
    axes.imshow(cells, aspect="auto", interpolation="nearest", extent=(0, end, len(lanes), 0))
    axes.set_yticks(np.arange(len(lanes)) + 0.5, [name for name, _, _ in lanes])
    axes.set_yticks(np.arange(len(lanes) + 1), minor=True)
    axes.grid(which="minor", axis="y", color="#cccccc")
    axes.tick_params(which="minor", length=0)
    axes.set_xlabel("seconds")
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100, metadata={"Software": None})
    return file.getvalue()


def _lanes(candidate: Timeline, reference: Timeline | None) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """Yield (label, colour, (frames,) activity) from top to bottom; a speaker has one colour on both sides."""
    if reference and reference.frames == candidate.frames:
        yield "frames that differ", DIFFERS, candidate.speech != reference.speech
    sides = {"candidate": candidate} | ({"reference": reference} if reference else {})
    names = sorted({name for side in sides.values() for name in side.voices()[0]})
    for side, timeline in sides.items():
        speakers, active = timeline.voices()
        if not speakers:
            yield f"{side}: nobody", PALETTE[0], timeline.speech
        for column, name in enumerate(speakers):
            yield f"{side}: {name}"[:MAX_LABEL_LENGTH], PALETTE[names.index(name) % len(PALETTE)], active[:, column]


def shares(active: NDArray[np.bool_], columns: int) -> NDArray[np.float64]:
    """Compute the (columns,) share of active frames, 0 to 1, among the (frames,) of each column; 0 in empty ones."""
    edges = np.linspace(0, len(active), columns + 1).astype(np.int64)
    total = np.concatenate([[0], np.cumsum(active)])
    return np.diff(total[edges]) / np.maximum(np.diff(edges), 1)

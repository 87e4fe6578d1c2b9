"""Would the same speakers be found if every embedding were off as the drawn ones are? A bootstrap of their residuals.

Clustering turns small differences into large ones where two speakers are nearly one: a sample of windows that agrees
says nothing of that. Source: B. Efron, "Bootstrap Methods: Another Look at the Jackknife", 1979.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tasks.engine.inference.window_outputs import Recomputed, WindowOutputs

FACTORS = (1.0, 2.0, 1.0, 2.0)
"""One repetition each: how many times as far as the drawn windows' the others' embeddings are moved. Chosen in
docs/lab_notes/sampled_reference.md."""


LONGEST = 600
"""Windows that are clustered anew at a time, ten minutes: clustering costs the square of them. Of longer audio each
repetition takes other ones, at random."""

OF_LONGEST = (2.0, 2.0, 2.0, 2.0)
"""`FACTORS` where only so many are clustered: at once the difference they see nothing. Measured in
docs/lab_notes/sampled_reference.md."""


def resampled(windows: WindowOutputs, sample: Recomputed, seed: int) -> Iterator[tuple[WindowOutputs, WindowOutputs]]:
    """Yield the candidate's windows as they are, and with the reference's embeddings or others moved like those.

    Args:
        windows: of the candidate, all.
        sample: the reference's for those that were drawn.
        seed: of the generator, 0 or more.

    Yields:
        Both for each of `FACTORS`: all windows, the first of the two `windows` itself. Where they are more, for each of
        `OF_LONGEST`: `LONGEST` in a row. None where nobody is heard well in a drawn window on both sides.
    """
    drawn = windows.at(sample.numbers)
    if not windows.embeddings.shape[2] or not sample.outputs.embeddings.shape[2]:
        return
    residuals = (sample.outputs.embeddings - drawn.embeddings)[drawn.heard & sample.outputs.heard]
    if not len(residuals):
        return
    talking = windows.talking[..., None]
    whole = len(windows) <= LONGEST
    for repetition, factor in enumerate(FACTORS if whole else OF_LONGEST):
        generator = np.random.default_rng((seed, repetition))
        moved = factor * residuals[generator.integers(len(residuals), size=talking.shape[:2])]
        embeddings = np.where(talking, windows.embeddings + moved, windows.embeddings).astype(np.float32)
        embeddings[sample.numbers] = sample.outputs.embeddings
        off = replace(windows, embeddings=embeddings)
        if whole:
            yield windows, off
        else:
            row = generator.integers(len(windows) - LONGEST, endpoint=True) + np.arange(LONGEST)
            yield windows.at(row), off.at(row)

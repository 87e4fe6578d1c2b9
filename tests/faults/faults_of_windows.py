"""Faults of what the networks gave, window by window."""

import numpy as np
import window_mutations as to
from striking import output_of
from trial import Fault

from tasks.engine.core.stages import Stage

FRONT_END = Stage.FRONT_END
SCORES, DECISIONS, EMBEDDINGS = Stage.SCORES, Stage.DECISIONS, Stage.EMBEDDINGS
NOT_FINITE = "not finite in window 3"

WINDOWS = (
    Fault("noise on the front end's output", FRONT_END, (1e-6, 1e-3, 1.0), output_of(FRONT_END, to.noisy)),
    Fault("dropped window", SCORES, (1, 3), output_of(SCORES, to.dropped)),
    Fault("window of zeros", SCORES, (1, 4, 11), output_of(SCORES, to.forgotten)),
    Fault("repeated window", SCORES, (1, 3, 8), output_of(SCORES, to.repeated)),
    Fault(
        "windows in the wrong order",
        SCORES,
        ("two neighbours", "backwards", "shuffled"),
        output_of(SCORES, to.disordered),
    ),
    Fault("only the first of a batch right", SCORES, (2, 4, 7), output_of(SCORES, to.first_of_batch)),
    Fault("last partial batch wrong", SCORES, (2, 4, 8), output_of(SCORES, to.last_batch)),
    Fault("scores some model frames late", SCORES, (1, 2, 6), output_of(SCORES, to.model_frames_late)),
    Fault("score offset, no decision flipped", SCORES, (1.0001, 1.05, 0.7), output_of(SCORES, to.sharpened)),
    Fault(
        "NaN windows of scores",
        SCORES,
        (1, 2),
        output_of(SCORES, to.not_finite(np.nan)),
        says=f"{SCORES}.*{NOT_FINITE}",
    ),
    Fault(
        "infinite window of scores",
        SCORES,
        (1,),
        output_of(SCORES, to.not_finite(np.inf)),
        says=f"{SCORES}.*{NOT_FINITE}",
    ),
    Fault("NaN batches of scores", SCORES, (1, 2, 6), to.broken_batch, says=f"{SCORES} are not finite in window 0"),
    Fault("windows decoded as nobody", DECISIONS, (1, 6), output_of(DECISIONS, to.silenced)),
    Fault("every window of zeros", SCORES, ("all",), output_of(SCORES, lambda values, _size, _rng: 0 * values)),
    Fault("windows missing from the decisions", DECISIONS, (1, 5), output_of(DECISIONS, to.missing)),
    Fault("overlap decoded as one speaker", DECISIONS, (2, 21), output_of(DECISIONS, to.alone)),
    Fault("noise on embeddings", EMBEDDINGS, (1e-6, 1e-2, 10.0), output_of(EMBEDDINGS, to.noisy)),
    Fault("embeddings exchanged within windows", EMBEDDINGS, (1, 10), output_of(EMBEDDINGS, to.exchanged)),
    Fault("embeddings of another window", EMBEDDINGS, (1, 8), output_of(EMBEDDINGS, to.neighbours)),
    Fault("only the first embedding of a batch right", EMBEDDINGS, (4, 21), output_of(EMBEDDINGS, to.first_of_batch)),
    Fault("embeddings drawn to their mean", EMBEDDINGS, (0.01, 0.999), output_of(EMBEDDINGS, to.same_for_all)),
    Fault(
        "NaN embeddings handed on",
        EMBEDDINGS,
        (1, 4, 18),
        output_of(EMBEDDINGS, to.not_finite(np.nan)),
        says=f"{EMBEDDINGS}.*{NOT_FINITE}",
    ),
    Fault(
        "infinite embeddings handed on",
        EMBEDDINGS,
        (1, 18),
        output_of(EMBEDDINGS, to.not_finite(np.inf)),
        says=f"{EMBEDDINGS}.*{NOT_FINITE}",
    ),
    Fault(
        "NaN windows of the front end",
        FRONT_END,
        (1,),
        output_of(FRONT_END, to.not_finite(np.nan)),
        says=f"{FRONT_END}.*{NOT_FINITE}",
    ),
    Fault(
        "infinite window of the front end",
        FRONT_END,
        (1,),
        output_of(FRONT_END, to.not_finite(np.inf)),
        says=f"{FRONT_END}.*{NOT_FINITE}",
    ),
)

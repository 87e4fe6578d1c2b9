"""Which stage parted first, when candidate and reference drift: each stage's output is handed to the other side.

The reference is computed again with the candidate's outputs up to one stage, for each stage in order. The first stage
whose output makes the reference drift is where the candidate went wrong: what came before it did no harm.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict

import numpy as np

from tasks.engine.core.constants import SAMPLE_RATE
from tasks.engine.core.stages import Stage, Value
from tasks.engine.devices.plan import DevicePlan
from tasks.engine.gate.findings import Difference, Localization

WINDOW_STEP_SEC = 1.0
"""Windows of segmentation-3.0 and of the pipelines built on it: 10 s, step 1 s."""

HANDED = (Stage.SAMPLES, Stage.FRONT_END, Stage.SCORES, Stage.DECISIONS, Stage.EMBEDDINGS, Stage.CLUSTERS)
"""Stages whose output can be handed over; the frame mapping is what remains."""

NOTHING: Value = np.empty(0, np.float32)
"""Output of a stage that a run did not reach."""


Rerun = Callable[[Mapping[Stage, Value]], bool]
"""Compute the reference with these outputs in place of its own: does it drift from itself?"""


def localize(
    reference: Mapping[Stage, Value], candidate: Mapping[Stage, Value], drifts_with: Rerun, plan: DevicePlan
) -> Localization:
    """Find the first stage of the candidate that makes the reference drift.

    Args:
        reference: every stage's output, as the reference computed it.
        candidate: likewise.
        drifts_with: the experiment.
        plan: the candidate's, which advice depends on.
    """
    differences, handed = [], {}
    for stage in HANDED:
        # Where nobody speaks the run ends early, and neither side has embeddings or clusters.
        found = difference(stage, reference.get(stage, NOTHING), candidate.get(stage, NOTHING))
        handed[stage] = candidate.get(stage, NOTHING)
        drifts = found.largest is None or (found.share > 0 and drifts_with(handed))
        differences.append(Difference(**{**asdict(found), "drifts": drifts}))
        if drifts:
            return Localization(stage, tuple(differences), advice(stage, plan))
    return Localization(Stage.FRAMES, tuple(differences), advice(Stage.FRAMES, plan))


def difference(stage: Stage, reference: Value, candidate: Value) -> Difference:
    """Compare one stage's outputs; equal NaN count as equal, NaN against a number as infinitely far."""
    if reference.shape != candidate.shape:
        return Difference(stage, None, 1.0, 0, 0.0)
    with np.errstate(invalid="ignore"):
        apart = np.abs(reference.astype(np.float64) - candidate.astype(np.float64))
    same = (reference == candidate) | (np.isnan(reference) & np.isnan(candidate))
    apart = np.where(same, 0.0, np.nan_to_num(apart, nan=np.inf, posinf=np.inf))
    if not apart.size or same.all():
        return Difference(stage, 0.0, 0.0, None, None)
    place = int(np.argmax(apart)) // max(apart[0].size, 1)
    if stage is Stage.SAMPLES:
        return Difference(stage, float(apart.max()), float(np.mean(~same)), None, place / SAMPLE_RATE)
    return Difference(stage, float(apart.max()), float(np.mean(~same)), place, place * WINDOW_STEP_SEC)


def advice(stage: Stage, plan: DevicePlan) -> str:
    """What to do about a stage that diverged under a plan."""
    half = f"in {plan.autocast_dtype} " if plan.precision != "fp32" else ""
    safe = "choose a profile with precision fp32, such as gpu_fp32"
    tamed = "set precision to mixed, which keeps all but the embedding network in FP32, or to fp32"
    unlevelled = f"The level rule is off (level = {plan.level}), so quiet sound is lost: set level = rms."
    unlike = "The two sides did not hear the same samples: decode once and hand the same array to both."
    lines = {
        Stage.SAMPLES: unlevelled if plan.level != "rms" else unlike,
        Stage.FRONT_END: f"SincNet ran {half}on {plan.device}: {tamed if half else 'check that TF32 is off'}.",
        Stage.SCORES: f"The segmentation network ran {half}on {plan.device}: {safe if half else 'run step4 on cpu'}.",
        Stage.DECISIONS: "Equal scores gave other decisions: look for NaN, a changed threshold or a broken argmax.",
        Stage.EMBEDDINGS: f"The embedding network or pooling ran {half}on {plan.device}: {tamed if half else safe}.",
        Stage.CLUSTERS: "Equal embeddings gave other clusters: compare the versions of scipy and numpy on both sides.",
        Stage.FRAMES: "Equal turns were laid on frames differently: compare frame counts, rates and numbering.",
    }
    # Choices that approximate explain more than the arithmetic does.
    if plan.segmentation_step is not None and stage is not Stage.SAMPLES:
        return f"The windows' step is not the reference's (segmentation_step = {plan.segmentation_step:g}): unset it."
    if plan.engine == "shared" and stage in {Stage.EMBEDDINGS, Stage.CLUSTERS}:
        return "The shared engine pools other frames than the exact one: set engine = exact for this video."
    return lines[stage]

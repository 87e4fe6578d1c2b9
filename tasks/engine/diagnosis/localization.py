"""Fault localization: find the first stage of a drifting candidate that is to blame.

Program runs are compared to narrow down where a fault lies (Wong et al. 2016, A Survey on Software Fault Localization,
doi:10.1109/TSE.2016.2521368). Here the reference is computed again with the candidate's outputs patched in up to one
stage, for each stage in order. The first stage whose output makes the reference drift is where the candidate went
wrong: what came before it did no harm.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from tasks.engine.core.constants import SAMPLE_RATE
from tasks.engine.core.stages import Stage, Value
from tasks.engine.devices.plan import DevicePlan
from tasks.engine.gate.findings import Difference, Localization

WINDOW_STEP_SEC = 1.0
"""Step of the windows of segmentation-3.0 and of the pipelines built on it, which are 10 s long."""

PATCHABLE = (Stage.SAMPLES, Stage.FRONT_END, Stage.SCORES, Stage.DECISIONS, Stage.EMBEDDINGS, Stage.CLUSTERS)
"""Stages whose output can be patched into another run; the frame mapping is what remains."""

NO_OUTPUT: Value = np.empty(0, np.float32)
"""Output of a stage that a run did not reach."""

Rerun = Callable[[Mapping[Stage, Value]], bool]
"""Compute the reference with these outputs in place of its own; returns whether it then drifts."""


def localize(
    reference: Mapping[Stage, Value], candidate: Mapping[Stage, Value], drifts_with: Rerun, plan: DevicePlan
) -> Localization:
    """Find the first stage of the candidate that makes the reference drift.

    Args:
        reference: every stage's output, as the reference computed it.
        candidate: likewise; shapes are those of the reference where nothing went wrong.
        drifts_with: computes the reference with patched outputs.
        plan: the candidate's, on which the advice depends.
    """
    differences, patched = [], {}
    for stage in PATCHABLE:
        # Where nobody speaks the run ends early, and neither side has embeddings or clusters.
        own = difference(stage, reference.get(stage, NO_OUTPUT), candidate.get(stage, NO_OUTPUT))
        patched[stage] = candidate.get(stage, NO_OUTPUT)
        drifts = own.largest is None or (own.share > 0 and drifts_with(patched))
        differences.append(replace(own, drifts=drifts))
        if drifts:
            return Localization(stage, tuple(differences), advice(stage, plan))
    return Localization(Stage.FRAMES, tuple(differences), advice(Stage.FRAMES, plan))


def difference(stage: Stage, reference: Value, candidate: Value) -> Difference:
    """Compare one stage's outputs; NaN equals NaN, and is infinitely far from a number.

    Args:
        stage: whose outputs these are.
        reference: (windows, ...) of any further shape, or (samples,).
        candidate: likewise; another shape differs throughout.
    """
    if reference.shape != candidate.shape:
        return Difference(stage, None, 1.0, 0, 0.0)
    with np.errstate(invalid="ignore"):
        apart = np.abs(reference.astype(np.float64) - candidate.astype(np.float64))
    equal = (reference == candidate) | (np.isnan(reference) & np.isnan(candidate))
    apart = np.where(equal, 0.0, np.nan_to_num(apart, nan=np.inf, posinf=np.inf))
    if not apart.size or equal.all():
        return Difference(stage, 0.0, 0.0, None, None)
    largest, share = float(apart.max()), float(np.mean(~equal))
    row = int(np.argmax(apart)) // max(apart[0].size, 1)
    if stage is Stage.SAMPLES:
        return Difference(stage, largest, share, None, row / SAMPLE_RATE)
    return Difference(stage, largest, share, row, row * WINDOW_STEP_SEC)


def advice(stage: Stage, plan: DevicePlan) -> str:
    """Say what to do about a stage that diverged under a plan, in terms of what can be chosen: a profile."""
    half = f"in {plan.autocast_dtype} " if plan.precision != "fp32" else ""
    on_cpu = "choose the profile cpu"
    fp32 = "choose the profile gpu_fp32, or cpu"
    mixed = "choose the profile gpu_optimized, which keeps all but the embedding network in FP32, or gpu_fp32"
    no_level = (
        f"This profile has no level rule (level = {plan.level}), so quiet sound is lost: choose "
        f"{'cpu' if plan.on_cpu else 'gpu_fp32'}, a profile that has one."
    )
    other_samples = "The two sides did not hear the same samples: decode once and hand the same array to both."
    lines = {
        Stage.SAMPLES: no_level if plan.level != "rms" else other_samples,
        Stage.FRONT_END: f"SincNet ran {half}on {plan.device}: {mixed if half else 'check that TF32 is off'}.",
        Stage.SCORES: f"The segmentation network ran {half}on {plan.device}: {fp32 if half else on_cpu}.",
        Stage.DECISIONS: "Equal scores gave other decisions: look for NaN, a changed threshold or a broken argmax.",
        Stage.EMBEDDINGS: f"The embedding network or pooling ran {half}on {plan.device}: {mixed if half else fp32}.",
        Stage.CLUSTERS: "Equal embeddings gave other clusters: compare the versions of scipy and numpy on both sides.",
        Stage.FRAMES: "Equal turns were laid on frames differently: compare frame counts, rates and numbering.",
    }
    # Choices that approximate explain more than the arithmetic does.
    if plan.segmentation_step is not None and stage is not Stage.SAMPLES:
        return f"The windows' step is not the reference's (segmentation_step = {plan.segmentation_step:g}): unset it."
    if plan.engine == "shared" and stage in {Stage.EMBEDDINGS, Stage.CLUSTERS}:
        return "The shared engine pools other frames than the exact one: choose the profile gpu_fp32 for this video."
    return lines[stage]

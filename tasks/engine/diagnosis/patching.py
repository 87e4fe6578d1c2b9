"""Why a candidate drifted: both sides computed again on an excerpt, stage by stage."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tasks.engine.core.choices import Verdict
from tasks.engine.core.constants import ASSUMED_FPS, SAMPLE_RATE
from tasks.engine.core.frames import FrameGrid
from tasks.engine.core.stages import Stage, Value
from tasks.engine.core.timeline import Timeline, timeline_of
from tasks.engine.devices.plan import DevicePlan
from tasks.engine.diagnosis.decisions import flips
from tasks.engine.diagnosis.localization import localize
from tasks.engine.gate.findings import Flips, Localization
from tasks.engine.gate.tolerance import Tolerance
from tasks.engine.gate.verdict import compare
from tasks.engine.inference.diarizer import diarize, pipeline_for
from tasks.engine.inference.hooks import StageHooks
from tasks.engine.inference.level import gain
from tasks.engine.inference.types import Diarization, Parameters

EXCERPT_SEC = 120.0
"""Around the worst stretch: long enough to cluster speakers, short enough to compute several times."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What was found: where the two parted, or that the reference does not even equal itself.

    flips: the hard decisions in which the two differ, kind by kind.
    """

    repeatable: bool
    localisation: Localization | None
    flips: tuple[Flips, ...] = ()


Explainer = Callable[[NDArray[np.float32], float, DevicePlan, Parameters, Tolerance], Explanation]


def explain(
    samples: NDArray[np.float32],
    around_sec: float,
    candidate: DevicePlan,
    parameters: Parameters,
    tolerance: Tolerance,
) -> Explanation:
    """Compute the reference twice and the candidate once on an excerpt, then hand stages over until it drifts.

    Args:
        samples: (samples,) float32, mono, 16 kHz.
        around_sec: middle of the excerpt, where the two differ most.
        candidate: the plan that drifted.
        parameters: as in the run.
        tolerance: the limits that were exceeded.

    Returns:
        An explanation; without a localisation where the excerpt alone does not drift.

    Raises:
        DeviceError: the candidate's device failed this time.
    """
    reference_plan = candidate.as_reference()
    piece = heard(samples, around_sec, reference_plan)
    reference_plan = replace(reference_plan, level="none")
    trusted, reference = traced(piece, reference_plan, parameters, {})
    again, _ = traced(piece, reference_plan, parameters, {})
    if not same(trusted, again):
        return Explanation(repeatable=False, localisation=None)
    drifted, outputs = traced(heard(samples, around_sec, candidate), replace(candidate, level="none"), parameters, {})
    grid = FrameGrid(int(len(piece) / SAMPLE_RATE * ASSUMED_FPS), ASSUMED_FPS)
    flipped = hard_decisions(parameters, reference, outputs)
    if not drifts(trusted, drifted, grid, tolerance):
        return Explanation(repeatable=True, localisation=None, flips=flipped)

    def drifts_with(given: Mapping[Stage, Value]) -> bool:
        return drifts(trusted, traced(piece, reference_plan, parameters, given)[0], grid, tolerance)

    return Explanation(
        repeatable=True, localisation=localize(reference, outputs, drifts_with, candidate), flips=flipped
    )


def hard_decisions(
    parameters: Parameters, reference: Mapping[Stage, Value], candidate: Mapping[Stage, Value]
) -> tuple[Flips, ...]:
    """Which hard decisions differ between two runs, and were they near things?"""
    from tasks.engine.diagnosis.margins import decisions_of  # noqa: PLC0415  # pyannote takes seconds

    pipeline, _ = pipeline_for(parameters.models, "cpu", "fp32", "exact")
    return flips(decisions_of(pipeline, reference), decisions_of(pipeline, candidate))


def heard(samples: NDArray[np.float32], around_sec: float, plan: DevicePlan) -> NDArray[np.float32]:
    """The excerpt at the level it has in the whole file under this plan: a quiet part keeps the loud one's gain."""
    factor = gain(samples) if plan.level == "rms" else 1.0
    return excerpt(samples, around_sec) * np.float32(factor)


def excerpt(samples: NDArray[np.float32], around_sec: float) -> NDArray[np.float32]:
    """At most EXCERPT_SEC around an instant, from a whole second on: windows then fall where they fell in the run."""
    length = int(EXCERPT_SEC * SAMPLE_RATE)
    first = max(0, min(int(around_sec - EXCERPT_SEC / 2) * SAMPLE_RATE, len(samples) - length))
    first -= first % SAMPLE_RATE
    return np.ascontiguousarray(samples[first : first + length])


def traced(
    samples: NDArray[np.float32], plan: DevicePlan, parameters: Parameters, given: Mapping[Stage, Value]
) -> tuple[Diarization, dict[Stage, Value]]:
    """One diarization with every stage's output."""
    hooks = StageHooks(given=dict(given))
    return diarize(samples, plan, parameters, hooks=hooks), hooks.kept


def same(one: Diarization, other: Diarization) -> bool:
    """Equal turns and scores, bit for bit."""
    return one.turns == other.turns and np.array_equal(one.scores.values, other.scores.values)


def drifts(reference: Diarization, candidate: Diarization, grid: FrameGrid, tolerance: Tolerance) -> bool:
    """Would the gate refuse it?"""
    verdict = compare(on_frames(reference, grid), on_frames(candidate, grid), tolerance).verdict
    return verdict is not Verdict.COHERENT


def on_frames(found: Diarization, grid: FrameGrid) -> Timeline:
    """A diarization laid on video frames, in memory."""
    return timeline_of(found.turns, found.scores, grid)

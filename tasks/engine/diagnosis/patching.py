"""Activation patching: compute both sides again on an excerpt, and give the reference the candidate's stage outputs.

Known from interpretability: a run's intermediate results are replaced by those of another run, to find which of them
the outcome hangs on (Heimersheim and Nanda 2024, How to use and interpret activation patching, arXiv:2404.15255).
"""

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
"""Length around the worst stretch: long enough to cluster speakers, short enough to compute several times."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a candidate drifted.

    Attributes:
        repeatable: whether the reference, computed twice, equals itself; nothing else is known where it does not.
        localization: the first stage that diverged; None where the excerpt does not drift by itself.
        flips: the hard decisions in which the two differ, by kind.
    """

    repeatable: bool
    localization: Localization | None
    flips: tuple[Flips, ...] = ()


Explainer = Callable[[NDArray[np.float32], float, DevicePlan, Parameters, Tolerance], Explanation]


def explain(
    samples: NDArray[np.float32],
    around_sec: float,
    candidate: DevicePlan,
    parameters: Parameters,
    tolerance: Tolerance,
) -> Explanation:
    """Compute the reference twice and the candidate once on an excerpt, then patch stages until the reference drifts.

    Args:
        samples: (samples,) float32, mono, 16 kHz.
        around_sec: middle of the excerpt, where the two differ most.
        candidate: the plan that drifted.
        parameters: of the run.
        tolerance: the limits that were exceeded.

    Returns:
        An explanation; without a localization where the excerpt alone does not drift.

    Raises:
        DeviceError: the candidate's device failed this time.
    """
    reference_plan = candidate.as_reference()
    piece = excerpt_at_level(samples, around_sec, reference_plan)
    reference_plan = replace(reference_plan, level="none")
    trusted, reference = trace(piece, reference_plan, parameters, {})
    again, _ = trace(piece, reference_plan, parameters, {})
    if not identical(trusted, again):
        return Explanation(repeatable=False, localization=None)
    drifted, outputs = trace(
        excerpt_at_level(samples, around_sec, candidate), replace(candidate, level="none"), parameters, {}
    )
    grid = FrameGrid(int(len(piece) / SAMPLE_RATE * ASSUMED_FPS), ASSUMED_FPS)
    flipped = hard_decisions(parameters, reference, outputs)
    if not drifts(trusted, drifted, grid, tolerance):
        return Explanation(repeatable=True, localization=None, flips=flipped)

    def drifts_with(given: Mapping[Stage, Value]) -> bool:
        return drifts(trusted, trace(piece, reference_plan, parameters, given)[0], grid, tolerance)

    return Explanation(
        repeatable=True, localization=localize(reference, outputs, drifts_with, candidate), flips=flipped
    )


def hard_decisions(
    parameters: Parameters, reference: Mapping[Stage, Value], candidate: Mapping[Stage, Value]
) -> tuple[Flips, ...]:
    """Compare the hard decisions of two runs, given every stage's output of either."""
    from tasks.engine.diagnosis.margins import decisions_of  # noqa: PLC0415  # pyannote takes seconds

    pipeline, _ = pipeline_for(parameters.models, "cpu", "fp32", "exact")
    return flips(decisions_of(pipeline, reference), decisions_of(pipeline, candidate))


def excerpt_at_level(samples: NDArray[np.float32], around_sec: float, plan: DevicePlan) -> NDArray[np.float32]:
    """Cut the excerpt at the level it has in the whole file under a plan: a quiet part keeps the loud one's gain."""
    factor = gain(samples) if plan.level == "rms" else 1.0
    return excerpt(samples, around_sec) * np.float32(factor)


def excerpt(samples: NDArray[np.float32], around_sec: float) -> NDArray[np.float32]:
    """Cut at most `EXCERPT_SEC` around an instant, from a whole second on: windows fall where they did in the run."""
    length = int(EXCERPT_SEC * SAMPLE_RATE)
    first = max(0, min(int(around_sec - EXCERPT_SEC / 2) * SAMPLE_RATE, len(samples) - length))
    first -= first % SAMPLE_RATE
    return np.ascontiguousarray(samples[first : first + length])


def trace(
    samples: NDArray[np.float32], plan: DevicePlan, parameters: Parameters, given: Mapping[Stage, Value]
) -> tuple[Diarization, dict[Stage, Value]]:
    """Diarize with some stages' outputs given; returns the result and every stage's output."""
    hooks = StageHooks(given=dict(given))
    return diarize(samples, plan, parameters, hooks=hooks), hooks.kept


def identical(first: Diarization, second: Diarization) -> bool:
    """Compare turns and scores, bit for bit."""
    return first.turns == second.turns and np.array_equal(first.scores.values, second.scores.values)


def drifts(reference: Diarization, candidate: Diarization, grid: FrameGrid, tolerance: Tolerance) -> bool:
    """Ask the gate whether a candidate is beyond the tolerance, or cannot be compared."""
    verdict = compare(on_frames(reference, grid), on_frames(candidate, grid), tolerance).verdict
    return verdict is not Verdict.COHERENT


def on_frames(diarization: Diarization, grid: FrameGrid) -> Timeline:
    """Lay a diarization on video frames, in memory."""
    return timeline_of(diarization.turns, diarization.scores, grid)

"""The check itself: may a candidate stand on a sample of its windows, or is the whole reference needed?"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.engine.core.choices import Engine, Verdict
from tasks.engine.core.confidence import upper_share
from tasks.engine.core.constants import SAMPLE_RATE
from tasks.engine.core.frames import FrameGrid
from tasks.engine.core.timeline import Timeline, timeline_of
from tasks.engine.core.turns import Turn, end_at
from tasks.engine.devices.plan import DevicePlan
from tasks.engine.gate.drift_report import DriftReport
from tasks.engine.gate.findings import SpotCheck
from tasks.engine.gate.tolerance import Tolerance
from tasks.engine.gate.verdict import compare
from tasks.engine.inference.recomputation import Layout, Replay, lay_out, nearest_clusters, replay
from tasks.engine.inference.types import Diarization, Parameters
from tasks.engine.inference.window_outputs import Recomputed, WindowOutputs
from tasks.engine.spot_check.bootstrap import resampled
from tasks.engine.spot_check.neighbours import disagreement, repeated
from tasks.engine.spot_check.outliers import LINES, MOST, Lines, doubts_of_outliers, outliers_of, worst_of
from tasks.engine.spot_check.window_errors import embedding_distances, windows_beyond, windows_wrong

CONFIDENCE = 0.95

GROUPING = "who is one speaker, with embeddings moved as far as the drawn ones lie from the reference's"

Again = Callable[[NDArray[np.int64]], Recomputed | None]
"""From places of windows to the reference's outputs for them; None where they cannot be had."""


def spot_check(
    windows: WindowOutputs,
    table: Timeline,
    sample: Recomputed,
    samples: NDArray[np.float32],
    samples_sha256: str,
    plan: DevicePlan,
    parameters: Parameters,
    grid: FrameGrid,
    seed: int,
    recompute: Again,
    exclusive: Sequence[Turn] | None = None,
    tolerance: Tolerance | None = None,
) -> DriftReport:
    """Hold a candidate against a reference by sample.

    Args:
        windows: what the networks gave for every window of the candidate.
        table: the candidate's, as it lies on disk.
        sample: the reference's windows.
        samples: (samples,) of the file.
        samples_sha256: of them.
        plan: the candidate's.
        parameters: of both.
        grid: the video's frames.
        seed: the fresh number that the windows were drawn with.
        recompute: gives the reference's outputs for the windows that lie apart from their neighbours.
        exclusive: the candidate's turns with one speaker at a time, as they lie on disk, where they were asked for.
        tolerance: the limits, the default ones where None.

    Returns:
        The ordinary gate's report on the sampled windows, with a `SpotCheck`. What it doubts is not thereby wrong: the
        whole reference has to decide.
    """
    tolerance = tolerance or Tolerance()
    if misshapen := windows.misshapen(sample.windows, sample.outputs):
        return doubted(sample, seed, tolerance, f"the candidate's {misshapen}")
    again = replay(windows, samples, plan.as_reference(), parameters)
    chosen = windows.at(sample.numbers)
    source = {"source": {"samples_sha256": samples_sha256}}
    trusted, judged = (
        replace(on_frames(side, chosen, sample, again, parameters, grid), metadata=source)
        for side in (sample.outputs, chosen)
    )
    report = compare(trusted, judged, tolerance, parameters.speech_threshold)

    def follow(part: WindowOutputs) -> Timeline:
        """What follows from windows in a row, on as many frames."""
        heard, shown = (samples, grid) if len(part) == len(windows) else extent_of(part, again.layout, samples, grid)
        return on_all_frames(replay(part, heard, plan.as_reference(), parameters), shown, source)

    repeated = on_all_frames(again, grid, source)
    table_report = compare(repeated, table, tolerance, parameters.speech_threshold)
    found = disagreement(windows, again.layout)
    lines = LINES[Engine(plan.engine)]
    distances = embedding_distances(sample.outputs, chosen)
    beyond = windows_beyond(sample.outputs, chosen, again, tolerance)
    outliers = np.setdiff1d(outliers_of(found, lines), sample.numbers)
    more = recompute(outliers) if 0 < len(outliers) <= MOST * len(windows) else None
    wrong = windows_wrong(more.outputs, windows.at(outliers), again, tolerance, lines) if more else np.zeros(0, bool)
    doubts = [
        *doubt_of("the sampled windows", report),
        *doubt_of("what follows from all windows", table_report),
        *doubts_of_windows(beyond, sample.numbers, plan),
        *doubts_of_exclusive(again.diarization.exclusive, exclusive, grid),
        *doubts_of_repetition(windows, again.layout, samples),
        *doubts_of_outliers(windows, outliers, more, wrong),
        *doubts_of_embeddings(distances, sample.numbers, lines),
    ]
    regrouped = 0
    for part, moved in () if doubts else resampled(windows, sample, seed):
        as_it_is = repeated if part is windows else follow(part)
        if doubts := [*doubt_of(GROUPING, compare(as_it_is, follow(moved), tolerance, parameters.speech_threshold))]:
            break
        regrouped += 1
    finding = SpotCheck(
        windows=sample.windows,
        recomputed=tuple(sample.numbers.tolist()),
        seed=seed,
        largest_score_difference=float(np.abs(sample.outputs.speech - chosen.speech).max()),
        largest_embedding_distance=float(np.nanmax(distances)) if np.isfinite(distances).any() else None,
        differing_decisions=int((sample.outputs.decisions != chosen.decisions).any(axis=2).sum()),
        decisions=int(chosen.speech.size),
        beyond=int(beyond.sum()),
        share_at_most=upper_share(len(beyond), int(beyond.sum()), CONFIDENCE),
        confidence=CONFIDENCE,
        proves_grouping=plan.engine != Engine.SHARED,
        neighbours=worst_of(found, lines),
        outliers=tuple(outliers.tolist()),
        regrouped=regrouped,
        seconds=round(sample.seconds + (more.seconds if more else 0.0), 3),
        doubts=tuple(doubts),
    )
    return replace(report, spot_check=finding)


def doubted(sample: Recomputed, seed: int, tolerance: Tolerance, doubt: str) -> DriftReport:
    """Report a candidate whose windows cannot be compared with the reference's at all."""
    finding = SpotCheck(
        sample.windows,
        tuple(sample.numbers.tolist()),
        seed,
        largest_score_difference=1.0,
        largest_embedding_distance=None,
        differing_decisions=0,
        decisions=0,
        beyond=0,
        share_at_most=1.0,
        confidence=CONFIDENCE,
        proves_grouping=False,
        neighbours={},
        seconds=sample.seconds,
        doubts=(doubt,),
    )
    return DriftReport(Verdict.NOT_COMPARABLE, tolerance, reason=doubt, spot_check=finding)


def on_all_frames(follows: Replay, grid: FrameGrid, metadata: dict[str, Any]) -> Timeline:
    """Lay what follows from all windows on the video's frames."""
    return replace(timeline_of(follows.diarization.turns, follows.diarization.scores, grid), metadata=metadata)


def extent_of(
    part: WindowOutputs, layout: Layout, samples: NDArray[np.float32], grid: FrameGrid
) -> tuple[NDArray[np.float32], FrameGrid]:
    """Return samples and frames as long as some windows in a row."""
    seconds = layout.windows.duration + (len(part) - 1) * layout.windows.step
    return samples[: round(seconds * SAMPLE_RATE)], FrameGrid(int(seconds * grid.fps), grid.fps)


def on_frames(
    outputs: WindowOutputs,
    candidate: WindowOutputs,
    sample: Recomputed,
    again: Replay,
    parameters: Parameters,
    grid: FrameGrid,
) -> Timeline:
    """Lay one side's sampled windows on the video's frames, with the candidate's own clusters; it decides ties."""
    clusters = nearest_clusters(outputs, again.centroids, nearest_clusters(candidate, again.centroids))
    laid: Diarization = lay_out(outputs, sample.numbers, clusters, again.layout, parameters)
    return timeline_of(laid.turns, laid.scores, grid)


def doubt_of(what: str, report: DriftReport) -> Iterator[str]:
    """Say what the gate says, unless the sides agree."""
    if report.verdict is not Verdict.COHERENT:
        yield f"{what}: {report.sentence}"


def doubts_of_windows(beyond: NDArray[np.bool_], numbers: NDArray[np.int64], plan: DevicePlan) -> Iterator[str]:
    """Say which drawn windows are beyond the limits: of the exact engine none may be, the shared one approximates."""
    if plan.engine != Engine.SHARED and beyond.any():
        yield f"drawn windows: {beyond.sum()} beyond the limits, the first is window {numbers[np.argmax(beyond)]}"


def doubts_of_exclusive(follows: Sequence[Turn], published: Sequence[Turn] | None, grid: FrameGrid) -> Iterator[str]:
    """Say what the gate says of the turns with one speaker at a time, where they were asked for."""
    if published is not None:
        follows, published = (list(end_at(turns, grid.duration)) for turns in (follows, published))
        report = compare(timeline_of(follows, None, grid), timeline_of(published, None, grid))
        yield from doubt_of("what follows with one speaker at a time", report)


def doubts_of_repetition(windows: WindowOutputs, layout: Layout, samples: NDArray[np.float32]) -> Iterator[str]:
    """Say which windows hold what another one gave."""
    starts = np.array([round(layout.windows[i].start * SAMPLE_RATE) for i in range(layout.count)])
    if found := repeated(windows, starts, samples, round(layout.windows.duration * SAMPLE_RATE)):
        yield f"repeated windows: {len(found)} hold what another gave for other sound, the first is window {found[0]}"


def doubts_of_embeddings(distances: NDArray[np.float64], numbers: NDArray[np.int64], lines: Lines) -> Iterator[str]:
    """Say which window's embedding lies too far from the reference's."""
    over = np.flatnonzero(np.nan_to_num(distances) > lines.embedding)
    if len(over):
        worst = over[np.argmax(distances[over])]
        place = f"window {numbers[worst]} is {distances[worst]:.2f} from the reference's"
        yield f"embeddings: {place}, over {lines.embedding:g}"

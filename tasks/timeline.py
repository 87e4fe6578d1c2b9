"""Turns and speech scores, laid on the video's own frames and written as the table that STEP5 reads."""

import logging

from tasks.engine.core import log_lines
from tasks.engine.core.summary import with_turns
from tasks.engine.core.timeline import rows, summarise
from tasks.engine.formats import timeline_parquet, turns_parquet
from tasks.engine.media.decode import Samples
from tasks.engine.system.atomic import make_folder
from tasks.inference_job import Outcome
from tasks.orchestration.stage import stage
from tasks.run import Run, StagedTimeline

log = logging.getLogger("step4.timeline")


def build_timeline(run: Run, outcome: Outcome, samples: Samples | None, name: str) -> StagedTimeline:
    """Write `timeline.parquet` and `turns.parquet` into a folder of the run's staging area, batch by batch.

    Args:
        run: the video's frames and everything that the files say of their origin.
        outcome: turns, scores, and what computed them.
        samples: what they were computed from, None where the video has no audio stream.
        name: of the folder, `candidate` or `reference`.

    Raises:
        StorageError: a file could not be written.
    """
    folder, grid = run.staging / name, run.media.grid
    make_folder(folder)
    turns, scores = outcome.diarization.turns, outcome.diarization.scores
    summary = summarise(rows(turns, scores, grid), grid.fps)
    if grid.pts is not None:
        summary = with_turns(summary, turns, grid.duration)
    metadata = {
        **run.metadata(samples.sha256 if samples else None),
        "device": outcome.facts(),
        "summary": summary.to_dict(),
    }
    staged = StagedTimeline(folder / "timeline.parquet", folder / "turns.parquet", summary, metadata)
    timeline_parquet.write(staged.timeline, rows(turns, scores, grid), metadata)
    turns_parquet.write(staged.turns, turns, metadata)
    log.info(log_lines.TIMELINE_DONE, summary.speech_frames, summary.frames, summary.percent)
    return staged


build_timeline_task = stage("build-timeline")(build_timeline)

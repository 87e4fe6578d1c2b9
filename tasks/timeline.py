"""Turns and speech scores, laid on the video's own frames and written as the table that STEP5 reads."""

import logging

from tasks.engine.core import log_lines
from tasks.engine.core.summary import with_turns
from tasks.engine.core.timeline import rows, summarise
from tasks.engine.core.turns import end_at
from tasks.engine.formats import timeline_parquet, turns_parquet
from tasks.engine.media.decode import Samples
from tasks.engine.system.atomic import make_folder
from tasks.inference_job import Outcome
from tasks.orchestration.stage import stage
from tasks.run import Run, StagedTimeline

log = logging.getLogger("step4.timeline")

REFERENCE_PROFILE = "cpu"
"""What computes every reference, whatever the profile that it judges."""


def build_timeline(run: Run, outcome: Outcome, samples: Samples | None, name: str) -> StagedTimeline:
    """Write `timeline.parquet` and `turns.parquet` into a folder of the run's staging area, batch by batch.

    No turn goes on beyond the last frame. Where it was asked for, `exclusive.parquet` has the turns with one speaker at
    a time.

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
    diarization = outcome.diarization
    turns, scores = tuple(end_at(diarization.turns, grid.duration)), diarization.scores
    summary = summarise(rows(turns, scores, grid), grid.fps)
    if grid.pts is not None:
        summary = with_turns(summary, turns, grid.duration)
    asked = run.speaker_bounds
    speakers = asked.facts(len(summary.speakers))
    metadata = {
        **run.metadata(samples.sha256 if samples else None, samples.notes if samples else ()),
        **({"profile": REFERENCE_PROFILE} if name == "reference" else {}),
        "device": outcome.facts(),
        "summary": summary.to_dict(),
        "speakers": speakers,
    }
    exclusive = folder / "exclusive.parquet" if run.configuration.exclusive else None
    staged = StagedTimeline(folder / "timeline.parquet", folder / "turns.parquet", summary, metadata, exclusive)
    timeline_parquet.write(staged.timeline, rows(turns, scores, grid), metadata)
    turns_parquet.write(staged.turns, turns, metadata)
    if exclusive:
        turns_parquet.write(exclusive, end_at(diarization.exclusive, grid.duration), metadata)
    log.info(log_lines.TIMELINE_DONE, summary.speech_frames, summary.frames, summary.percent)
    log.log(logging.INFO if asked.met_by(speakers["found"]) else logging.WARNING, "Speakers: %s", speakers["sentence"])
    return staged


build_timeline_task = stage("build-timeline")(build_timeline)

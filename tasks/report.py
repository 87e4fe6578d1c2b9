"""A page to look at: written beside every run that drifts, and on request for any timeline."""

import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tasks.engine.core.choices import FAILED
from tasks.engine.core.errors import MediaError, Step4Error
from tasks.engine.formats.detect import load_timeline
from tasks.engine.gate.drift_report import DriftReport
from tasks.engine.media.decode import Samples
from tasks.engine.publishing.names import PAGE
from tasks.engine.report.audio_clip import encode_clip
from tasks.engine.report.page import Side, Sound, write
from tasks.media import DEFAULT_LIMITS, listen, probe_again
from tasks.orchestration.stage import stage
from tasks.run import Run, StagedTimeline

log = logging.getLogger("step4.report")

NO_PARAMETERS: Mapping[str, Any] = MappingProxyType({})


def page(
    run: Run,
    report: DriftReport,
    candidate: StagedTimeline,
    reference: StagedTimeline | None,
    samples: Samples | None,
) -> Path | None:
    """Write the page of a run whose candidate failed, into its staging area; None for any other run.

    A page that cannot be written is a warning: what the gate decided never depends on it.

    Args:
        run: names and places.
        report: the gate's.
        candidate: the timeline that failed.
        reference: what it was held against.
        samples: what both were computed from.
    """
    if report.verdict not in FAILED:
        return None
    path = run.staging / PAGE
    sides = [
        Side(load_timeline(side.timeline), str(side.timeline.relative_to(run.staging)))
        for side in (candidate, reference)
        if side
    ]
    try:
        sound = sound_of(samples, report) if samples else None
        write(
            path, sides[0], sides[1] if len(sides) > 1 else None, report, sound, None, run.parameters.speech_threshold
        )
    except (Step4Error, ArithmeticError, ValueError, LookupError, TypeError, OSError) as error:
        log.warning("%s could not be written: %s", PAGE, error)
        return None
    return path


def sound_of(samples: Samples, report: DriftReport | None) -> Sound:
    """Return a recording to see and to play, around the worst stretch where there is one.

    Raises:
        EngineError: ffmpeg is missing or fails.
    """
    heard = samples.load()
    stretch = report.agreement.worst_stretch if report and report.agreement else None
    around = (stretch.start_sec + stretch.end_sec) / 2 if stretch else 0.0
    return Sound(heard, samples.sample_rate, encode_clip(heard, samples.sample_rate, around))


@contextmanager
def sound_from(
    recording: Path, report: DriftReport | None, parameters: Mapping[str, Any] = NO_PARAMETERS
) -> Iterator[Sound]:
    """Decode the sound of a video or audio file as the run did whose timeline is shown.

    Args:
        recording: the file.
        report: of the comparison that is shown, if any.
        parameters: of the run.

    Raises:
        MediaError: the file cannot be used, or has no sound.
        StorageError, EngineError: as `extract`.
    """
    with tempfile.TemporaryDirectory() as folder:
        samples = listen(probe_again(recording, DEFAULT_LIMITS, parameters), Path(folder) / "samples.f32")
        if samples is None:
            raise MediaError(f"--audio {recording} has no sound: a video or audio file with sound would be accepted.")
        yield sound_of(samples, report)


page_task = stage("page")(page)

"""What operators look into: one JSON line per drift, fallback, refusal and suspicious detection rate."""

import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks.engine.core.errors import DriftError, StorageError
from tasks.engine.core.exception_map import map_exception
from tasks.engine.system.environment import machine_settings
from tasks.engine.system.locks import lock_for
from tasks.run import Run

log = logging.getLogger("step4.diagnostics")
failed = logging.getLogger("step4.failed")
"""A terminal is told in another way, so its handler leaves this logger out."""

INCONSISTENCIES = Path("debug") / "audio_inconsistencies.log"


def folder() -> Path:
    """Return where diagnostics lie: STEP4_DIAGNOSTICS_DIR, else the user's state folder."""
    return machine_settings().diagnostics_dir


def record(run: Run, kind: str, **facts: Any) -> None:  # noqa: ANN401  # whatever JSON can say
    """Append a line to `debug/audio_inconsistencies.log`; a log that cannot be written never fails a run.

    Args:
        run: whose video, profile and device are named in the line.
        kind: `drift`, `fallback` or `low_detection_rate`.
        facts: what else there is to say.
    """
    context = {"profile": run.configuration.profile, "device": run.plan.device, "precision": run.plan.precision}
    write_line(kind, run.media.path, {**context, **facts})


@contextmanager
def failures_recorded(video: Path) -> Iterator[None]:
    """Put whatever ends this block into our words, log it at its class's level, and record a refusal.

    A drift records itself, with more to say. What nobody foresaw passes as it is.

    Raises:
        Step4Error: instead of what a library raised.
    """
    try:
        yield
    except Exception as error:
        known = map_exception(error)
        if known is None:
            raise
        failed.log(known.log_level, "%s", known)
        if not isinstance(known, DriftError):
            facts = {"error": type(known).__name__, "exit_code": known.exit_code, "sentence": str(known)}
            write_line("refusal", video, facts)
        if known is error:
            raise
        raise known from error


def write_line(kind: str, video: Path, facts: Mapping[str, Any]) -> None:
    """Append one JSON line: time, kind, video, and the facts."""
    moment = datetime.now(UTC).isoformat(timespec="seconds")
    line = {"time": moment, "kind": kind, "video": str(video), **facts}
    path = folder() / INCONSISTENCIES
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with lock_for(path), path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(json.dumps(line, ensure_ascii=False) + os.linesep)
    except (OSError, StorageError) as error:
        log.warning("%s could not be written: %s", path, error)

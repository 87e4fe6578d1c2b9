"""What operators look into when something was odd: one JSON line per drift, fallback and suspicious detection rate."""

import json
import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks.engine.locks import lock_for
from tasks.engine.models import from_environment
from tasks.engine.runs import Run

log = logging.getLogger("step4.diagnostics")

INCONSISTENCIES = Path("debug") / "audio_inconsistencies.log"


def folder() -> Path:
    """Where diagnostics lie: STEP4_DIAGNOSTICS_DIR, else the working folder."""
    return Path(from_environment("STEP4_DIAGNOSTICS_DIR") or ".")


def record(run: Run, kind: str, **facts: Any) -> None:  # noqa: ANN401  # whatever JSON can say
    """Append a line to `debug/audio_inconsistencies.log`; a log that cannot be written never fails a run.

    Args:
        run: whose video, profile and device are named in the line.
        kind: `drift`, `fallback` or `low_detection_rate`.
        facts: what else there is to say.
    """
    line = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "kind": kind,
        "video": str(run.media.path),
        "profile": run.configuration.profile,
        "device": run.plan.device,
        "precision": run.plan.precision,
        **facts,
    }
    path = folder() / INCONSISTENCIES
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with lock_for(path), path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + os.linesep)
    except OSError as error:
        log.warning("%s could not be written: %s", path, error.strerror or error)

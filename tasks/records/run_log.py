"""A log file per run, `logs/step4/audio_analysis_*.log`: the lines that the terminal or the server shows, kept."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tasks.engine.core.errors import Step4Error
from tasks.engine.core.exception_map import map_exception
from tasks.engine.core.printable import printable
from tasks.records.diagnostics import folder

FOLDER = Path("logs") / "step4"
KEPT = 200
"""Files that are kept, the newest; a run has some thirty lines."""
NAME_BYTES = 120
"""What a file's name holds of the video's: the rest of the name, and most disks, take 135 more."""

stages = logging.getLogger("step4")
log = logging.getLogger("step4.run_log")


class RunLog(logging.FileHandler):
    """The file of one run. A disk that is full must not put a traceback for each line on the terminal."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's name
        """Leave the line out."""


@contextmanager
def run_logged(video: Path) -> Iterator[None]:
    """Keep the lines of this block in a file of its own; one that cannot be written never fails a run."""
    handler = open_log(video)
    if handler is None:
        yield
        return
    stages.addHandler(handler)
    try:
        yield
    except Exception as error:
        if map_exception(error) is None:  # whatever is known was logged in a sentence
            _write(handler, logging.ERROR, "unexpected error", error)
        raise
    finally:
        stages.removeHandler(handler)
        with suppress(OSError):  # it writes what is left once more: a full disk is not how the run ended
            handler.close()


def open_log(video: Path) -> RunLog | None:
    """Begin a run's file, and remove the oldest ones; None where it cannot be."""
    now = datetime.now(UTC)
    name = printable(video.stem).encode()[:NAME_BYTES].decode(errors="ignore")
    path = FOLDER / f"audio_analysis_{now:%Y%m%dT%H%M%S%f}_{name}.log"
    try:
        path = folder() / path
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = RunLog(path, encoding="utf-8", errors="backslashreplace")
        rotate(path.parent)
    except (OSError, Step4Error) as error:
        log.warning("%s could not be written: %s", path, error)
        return None
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    _write(handler, logging.INFO, f"step4-audio {version('step4-audio')}: {printable(video.absolute())}")
    return handler


def rotate(logs: Path) -> None:
    """Remove all but the newest files; their names sort by time."""
    for old in sorted(logs.glob("audio_analysis_*.log"))[:-KEPT]:
        old.unlink(missing_ok=True)


def _write(handler: RunLog, level: int, message: str, error: Exception | None = None) -> None:
    """Write a line to the file alone."""
    trace = (type(error), error, error.__traceback__) if error else None
    handler.handle(stages.makeRecord(stages.name, level, __file__, 0, message, (), trace))

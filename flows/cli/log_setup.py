"""Log lines on the terminal: handlers, and what Prefect may say there."""

import logging
import os
import sys


def quiet_prefect() -> None:
    """Keep Prefect's own lines off the terminal; it reads these variables when it is imported."""
    # What it says of a failed run, tracebacks included, `step4 run` says in one sentence.
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")


class StageHandler(logging.StreamHandler):  # type: ignore[type-arg]  # a class of the standard library, to be recognised
    """Shows the stages' lines on stderr."""


def log_to_stderr(level: str) -> None:
    """Show the stages' log lines, each once; a handler that Prefect added for its server stays."""
    handler = StageHandler(sys.stderr)
    handler.addFilter(lambda record: record.name != "step4.failed")  # said by `run_one`, once
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("step4")
    logger.handlers = [handler, *(other for other in logger.handlers if not isinstance(other, StageHandler))]
    logger.setLevel(level)
    logger.propagate = False

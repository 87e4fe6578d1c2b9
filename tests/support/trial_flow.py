"""A flow for trials of workers: it says by whom and how it is run, and ends when it is told to."""

import json
import logging
import os
import time
from pathlib import Path
from typing import Any

import torch
from prefect import flow

from tasks.engine.core import constants
from tasks.engine.inference.diarizer import _pipeline_for

SHOWN = ("STEP4_GPU_SLOT", "PREFECT_LOGGING_LEVEL", "A_VARIABLE_OF_A_LIBRARY")


@flow(name="trial")
def trial(note: str, until: str | None = None) -> None:
    """Write a note, and wait for a file.

    Args:
        note: the file to write.
        until: the file that ends the wait; None: there is none.
    """
    logging.getLogger("step4.trial").warning("a stage's own line")
    said: dict[str, Any] = {
        "pid": os.getpid(),
        "group": os.getpgid(0),
        "folder": os.getcwd(),  # noqa: PTH109  # as it is
        "code": str(Path(constants.__file__).parents[3]),
        "version": getattr(constants, "TRIAL", 0),
        "environment": {name: os.environ.get(name) for name in SHOWN},
        "loaded": _pipeline_for.cache_info().currsize,
        "threads": torch.get_num_threads(),
        "parent": Path(f"/proc/{os.getppid()}/cmdline").read_text(encoding="utf-8").replace("\0", " "),
    }
    draft = Path(f"{note}.draft")
    draft.write_text(json.dumps(said), encoding="utf-8")
    draft.rename(note)
    while until and not Path(until).exists():
        time.sleep(0.05)

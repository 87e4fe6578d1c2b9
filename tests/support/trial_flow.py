"""A flow for trials of workers: it says by whom and how it is run, and ends when it is told to."""

import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

from prefect import flow

from tasks.engine.core import constants

SHOWN = ("STEP4_GPU_SLOT", "PREFECT_LOGGING_LEVEL", "A_VARIABLE_OF_A_LIBRARY")


@flow(name="trial")
def trial(note: str, until: str | None = None, with_torch: bool = False) -> None:
    """Write a note, and wait for a file.

    Args:
        note: the file to write.
        until: the file that ends the wait; None: there is none.
        with_torch: import torch, which takes a new interpreter many seconds, and say how many threads it has.
    """
    logging.getLogger("step4.trial").warning("a stage's own line")
    said: dict[str, Any] = {
        "pid": os.getpid(),
        "group": os.getpgid(0),
        "folder": os.getcwd(),  # noqa: PTH109  # as it is
        "code": str(Path(constants.__file__).parents[3]),
        "version": getattr(constants, "TRIAL", 0),
        "environment": {name: os.environ.get(name) for name in SHOWN},
        "loaded": pipelines_loaded(),
        "threads": threads_of_torch() if with_torch else 0,
        "parent": Path(f"/proc/{os.getppid()}/cmdline").read_text(encoding="utf-8").replace("\0", " "),
    }
    draft = Path(f"{note}.draft")
    draft.write_text(json.dumps(said), encoding="utf-8")
    draft.rename(note)
    while until and not Path(until).exists():
        time.sleep(0.05)


def pipelines_loaded() -> int:
    """Pipelines that this process holds; where the module is not imported there are none."""
    module = sys.modules.get("tasks.engine.inference.diarizer")
    loaded: int = module._pipeline_for.cache_info().currsize if module else 0
    return loaded


def threads_of_torch() -> int:
    """Threads that torch computes with."""
    import torch

    return torch.get_num_threads()

"""The flow of one video with scripted networks, for batches in other processes: the rest of it is real."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flows.audio_analysis import audio_analysis
from tasks.engine.fakes import CPU_ONLY, ScriptedDiarizer, no_experiments, no_trouble
from tasks.engine.seams import Seams, seams_in_force
from tasks.engine.turns import Turn

TURNS = (Turn(0.5, 2.0, "SPEAKER_00"), Turn(1.8, 3.5, "SPEAKER_01"))


@contextmanager
def scripted(computed: Path, wait_for: Path | None = None, stop_at: int = 0) -> Iterator[None]:
    """Seams whose networks write a line per inference into `computed`; number `stop_at` waits until a file is there."""
    script = ScriptedDiarizer(TURNS)

    def diarizer(*arguments: Any) -> Any:
        with computed.open("a") as file:
            file.write("inference\n")
        while stop_at == len(computed.read_text().splitlines()) and wait_for and not wait_for.exists():
            time.sleep(0.02)
        return script(*arguments)

    seams = Seams(device_facts=lambda: CPU_ONLY, diarizer=diarizer, explainer=no_experiments, half_trouble=no_trouble)
    with seams_in_force(seams):
        yield


__all__ = ["audio_analysis", "scripted"]

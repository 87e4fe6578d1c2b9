"""The flow of one video with scripted networks, for batches in other processes: the rest of it is real."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from probing import probed_here

from flows.audio_analysis import audio_analysis
from tasks.engine.core.turns import Turn
from tasks.engine.dependencies import Dependencies, use_dependencies
from tasks.engine.testing import CPU_ONLY, ScriptedDiarizer, no_patching, nothing_to_load, sound_low_precision

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

    dependencies = Dependencies(
        run_probe=probed_here,
        device_facts=lambda: CPU_ONLY,
        diarizer=diarizer,
        explainer=no_patching,
        check_low_precision=sound_low_precision,
        preload=nothing_to_load,
    )
    with use_dependencies(dependencies):
        yield


__all__ = ["audio_analysis", "scripted"]

"""Runs of the whole recipe with scripted networks, for tests of what surrounds them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from probing import probed_here

from flows.recipes.audio_analysis import analyse
from profiles.settings import Configuration
from tasks.engine.core.turns import Turn
from tasks.engine.dependencies import Dependencies
from tasks.engine.publishing.manifest import Published
from tasks.engine.system.sandbox import Runner
from tasks.engine.testing import (
    CPU_ONLY,
    ONE_GPU,
    ScriptedDiarizer,
    no_patching,
    nothing_recomputed,
    nothing_to_load,
    sound_low_precision,
)

TURNS = (Turn(0.5, 2.0, "SPEAKER_00"), Turn(1.8, 3.5, "SPEAKER_01"))

OTHER = (Turn(0.2, 4.0, "SPEAKER_00"),)


def drifting() -> ScriptedDiarizer:
    """A GPU that hears other turns than the CPU."""
    return ScriptedDiarizer(TURNS, candidate=OTHER)


def dependencies(diarizer: Any, *, gpu: bool = False, probe: Runner = probed_here) -> Dependencies:
    """Everything real but the networks, the card, and a process of its own for the probe where none is passed."""
    facts = ONE_GPU if gpu else CPU_ONLY
    return Dependencies(
        device_facts=lambda: facts,
        diarizer=diarizer,
        explainer=no_patching,
        check_low_precision=sound_low_precision,
        preload=nothing_to_load,
        recompute=nothing_recomputed,
        run_probe=probe,
    )


def publish(
    video: Path,
    diarizer: Any = None,
    output: Path | None = None,
    *,
    gpu: bool = False,
    probe: Runner = probed_here,
    refresh: bool = False,
    **settings: Any,
) -> Published:
    """Run the recipe, without Prefect."""
    chosen = diarizer or ScriptedDiarizer(TURNS)
    seams = dependencies(chosen, gpu=gpu, probe=probe)
    return analyse(video, output or video.parent, Configuration.resolve(settings), seams, refresh=refresh)


def contents(folder: Path) -> dict[str, bytes]:
    """Every published file, the workspace left out."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def beside(video: Path) -> set[str]:
    """Names of what lies beside the video, the workspace left out."""
    return {path.name for path in video.parent.iterdir()} - {video.name, ".step4"}


def with_device_errors(diarizer: ScriptedDiarizer) -> Callable[..., Any]:
    """The scripted diarizer behind the real mapping from torch's errors."""
    from tasks.engine.core.exception_map import device_failures

    def guarded(*arguments: Any) -> Any:
        with device_failures():
            return diarizer(*arguments)

    return guarded

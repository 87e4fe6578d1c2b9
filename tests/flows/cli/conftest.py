"""What tests of several commands start from: two timelines that differ, and scripted networks."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from probing import probed_here

from tasks.engine.core.turns import Turn
from tasks.engine.dependencies import Dependencies, use_dependencies
from tasks.engine.testing import CPU_ONLY, ScriptedDiarizer, no_patching, nothing_to_load, sound_low_precision

HEADLESS = {
    "frames_analysis": [
        {"frame": n, "audio_info": {"is_speech_present": n > 10, "active_speaker_labels": ["A"] * (n > 10)}}
        for n in range(1, 51)
    ]
}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """An _audio.json without a header, as found in the wild."""
    path = tmp_path / "old_audio.json"
    path.write_text(json.dumps(HEADLESS))
    return path


@pytest.fixture
def shifted(tmp_path: Path) -> Path:
    """The same with speech ten frames later."""
    path = tmp_path / "new_audio.json"
    frames = [dict(frame) for frame in HEADLESS["frames_analysis"]]
    for frame in frames:
        speaks = frame["frame"] > 20
        frame["audio_info"] = {"is_speech_present": speaks, "active_speaker_labels": ["A"] * speaks}
    path.write_text(json.dumps({"frames_analysis": frames}))
    return path


@pytest.fixture
def scripted() -> Iterator[ScriptedDiarizer]:
    """`step4 run` with scripted networks."""
    diarizer = ScriptedDiarizer((Turn(0.5, 2.0, "SPEAKER_00"), Turn(1.8, 3.5, "SPEAKER_01")))
    dependencies = Dependencies(
        run_probe=probed_here,
        device_facts=lambda: CPU_ONLY,
        diarizer=diarizer,
        explainer=no_patching,
        check_low_precision=sound_low_precision,
        preload=nothing_to_load,
    )
    with use_dependencies(dependencies):
        yield diarizer

"""The page on models: every command of it runs as written, one after the other, against a hub in a box."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import step4
from hub_box import GOOD, HubBox, hub_in_a_box, use
from media_samples import clip
from paths import ROOT
from probing import probed_here
from stand_in_models import COMMUNITY, community, three

from tasks.engine.core.turns import Turn
from tasks.engine.dependencies import Dependencies, use_dependencies
from tasks.engine.models import registry
from tasks.engine.testing import CPU_ONLY, ScriptedDiarizer, no_patching, nothing_to_load, sound_low_precision

PAGE = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
LINES = [
    line for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE) for line in block.splitlines()
]
TURNS = (Turn(0.5, 2.0, "SPEAKER_00"), Turn(1.8, 3.5, "SPEAKER_01"))


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubBox]:
    """A hub with both production pipelines, gated; a working folder with a clip."""
    clip(tmp_path / "clip.mp4")
    monkeypatch.setenv("STEP4_MODELS_DIR", str(registry.models_folder().absolute()))
    monkeypatch.chdir(tmp_path)
    with hub_in_a_box() as box:
        for name, files in {COMMUNITY: community(b"weights"), **three(b"weights")}.items():
            box.add(name, files)
        use(box, tmp_path / "hub", monkeypatch, token=None)
        monkeypatch.delenv("HF_TOKEN")
        yield box


@pytest.mark.slow
@pytest.mark.usefixtures("clean_settings", "box")
def test_every_command_runs_as_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In the order of the page: what a step makes the next one uses. Only the networks are scripted."""
    monkeypatch.chdir(tmp_path)
    dependencies = Dependencies(
        run_probe=probed_here,
        device_facts=lambda: CPU_ONLY,
        diarizer=ScriptedDiarizer(TURNS),
        explainer=no_patching,
        check_low_precision=sound_low_precision,
        preload=nothing_to_load,
    )
    with use_dependencies(dependencies):
        ended = {line: run(line, monkeypatch) for line in LINES}

    assert len(ended) == len(LINES) > 10
    assert {line: code for line, code in ended.items() if code} == {}


def run(line: str, patch: pytest.MonkeyPatch) -> int:
    """Run one line as a shell would; its exit code."""
    words = shlex.split(line)
    if words[0] == "step4":
        return step4(*words[1:])
    if words[0] == "export":
        name, _, value = words[1].partition("=")
        patch.setenv(name, value.replace("hf_…", GOOD))
        return 0
    return subprocess.run(words, check=False).returncode

"""Loading a model set: verified first, as data only, and without asking anybody."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from paths import ROOT, SUPPORT

from tasks.engine.core.errors import ModelError
from tasks.engine.inference import loading


@pytest.mark.slow
def test_a_folder_with_another_pipeline_is_refused(resnet_folder: Path) -> None:
    """A config of anything but speaker diarization names what would be accepted."""
    config = resnet_folder / "config.yaml"
    config.write_text(config.read_text().replace("SpeakerDiarization", "VoiceActivityDetection"))

    with pytest.raises(ModelError, match=r"expected pyannote\.audio\.pipelines\.SpeakerDiarization"):
        loading.load(str(resnet_folder))


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.write_text, (self.path, "ran"))


@pytest.mark.slow
def test_a_checkpoint_that_runs_code_is_refused(resnet_folder: Path, tmp_path: Path) -> None:
    """Checkpoints are data only: a pickled payload never executes."""
    torch.save({"state_dict": {}, "evil": Payload(tmp_path / "ran")}, resnet_folder / "embedding" / "pytorch_model.bin")

    with pytest.raises(ModelError):
        loading.load(str(resnet_folder))

    assert not (tmp_path / "ran").exists()


TELEMETRY = """
import sys
calls = []
def watch(event, arguments):
    if event == "socket.connect" and not str(arguments[1]).startswith(("('127.", "('::1", "/")):
        calls.append(arguments[1])
    if event == "socket.getaddrinfo" and arguments[0] not in ("127.0.0.1", "localhost", None):
        calls.append(arguments[0])
sys.addaudithook(watch)
import numpy as np
from speech import cpu_plan
from tasks.engine.inference.diarizer import diarize
from tasks.engine.inference.types import Parameters
diarize(np.random.default_rng(0).normal(size=32000).astype(np.float32), cpu_plan(), Parameters())
sys.exit(str(calls) if calls else None)
"""


@pytest.mark.slow
def test_loading_and_running_models_asks_nobody(tmp_path: Path) -> None:
    """A whole inference with the real models opens no connection and looks up no name: no telemetry, no downloads."""
    paths = os.pathsep.join((str(SUPPORT), str(ROOT)))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "PYANNOTE_"))}
    environment |= {"PYTHONPATH": paths, "HF_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", TELEMETRY], env=environment, capture_output=True, check=False)

    assert done.returncode == 0, done.stderr.decode()[-500:]


def spoilt(folder: Path, old: str, new: str) -> Path:
    """The folder with other words in its config."""
    config = folder / "config.yaml"
    assert old in config.read_text()
    config.write_text(config.read_text().replace(old, new))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("    embedding: $model/embedding\n", "", "None as its embedding"),
        ("$model/segmentation", "segmentation-3.0", "'segmentation-3.0' as its segmentation"),
        ("$model/segmentation", "$model/elsewhere", "as its segmentation"),
        ("AgglomerativeClustering", "VBxClustering", "None as its plda"),
    ],
)
def test_a_network_that_is_not_here_is_never_asked_for(resnet_folder: Path, old: str, new: str, part: str) -> None:
    """Pyannote would ask the hub for it, or for one of its own where none is named: the config is refused instead."""
    with pytest.raises(ModelError, match=part):
        loading.load(str(spoilt(resnet_folder, old, new)))


def test_names_in_a_config_are_those_of_its_folder() -> None:
    """`$model/…` and `./…` lie beside the config, however deep; other values stay."""
    folder = Path("/models/set")
    config = {"embedding": "$model/embedding", "plda": {"checkpoint": "./plda", "subfolder": "a"}, "batch": 4}

    assert loading.inside(config, folder) == {
        "embedding": "/models/set/embedding",
        "plda": {"checkpoint": "/models/set/plda", "subfolder": "a"},
        "batch": 4,
    }

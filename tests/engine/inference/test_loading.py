"""Loading a model set: verified first, as data only, and without asking anybody."""

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hub_box import hub_in_a_box, use
from paths import ROOT, SUPPORT
from speech import recording
from stand_in_models import COMMUNITY, DIMENSION, checkpoint, community, embedding_network, plda, write

from tasks.engine.core.errors import ModelError
from tasks.engine.inference import loading
from tasks.engine.models import hub
from tasks.engine.models.registry import find


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


@pytest.fixture
def community_folder(tmp_path: Path) -> Path:
    """A copy of community-1 with small networks."""
    return write(community(), tmp_path / "community-1")


def stripped(path: Path, word: str) -> None:
    """Take every layer with a word in its name out of a checkpoint."""
    held = torch.load(path, weights_only=False)
    held["state_dict"] = {name: value for name, value in held["state_dict"].items() if word not in name}
    torch.save(held, path)


@pytest.mark.slow
@pytest.mark.parametrize("spelling", ["$model/embedding", "./embedding", "ABSOLUTE"])
def test_a_checkpoint_without_some_of_its_layers_is_refused(community_folder: Path, spelling: str) -> None:
    """However it is named: pyannote would leave those layers at random values without a word."""
    named = spelling.replace("ABSOLUTE", str(community_folder / "embedding"))
    spoilt(community_folder, "$model/embedding\n", f"{named}\n")
    loading.load(str(community_folder))
    stripped(community_folder / "embedding/pytorch_model.bin", "lstm")

    with pytest.raises(ModelError, match=r"lstm\.weight_ih_l0"):
        loading.load(str(community_folder))


@pytest.mark.slow
@pytest.mark.parametrize("word", ["nvidia", "wespeaker", "speechbrain", "pyannote"])
def test_words_in_a_path_choose_no_loader(community_folder: Path, word: str) -> None:
    """Stock takes NeMo for a string with `nvidia` in it, onnxruntime for `wespeaker`: a folder may be called that."""
    folder = community_folder.rename(community_folder.parent / word)
    spoilt(folder, "$model/embedding\n", "./embedding\n")

    assert loading.load(str(folder)).embedder.dimension == 64


@pytest.mark.slow
def test_a_class_that_is_no_data_is_named(community_folder: Path) -> None:
    """The error says which file holds which class, and gives no advice to trust it."""
    path = community_folder / "embedding/pytorch_model.bin"
    loading.allow_pyannote_checkpoints()
    held = torch.load(path, weights_only=False)
    torch.save(held | {"extra": Fraction(1, 3)}, path)

    with pytest.raises(ModelError, match=r"embedding/pytorch_model\.bin holds fractions\.Fraction: expected") as caught:
        loading.load(str(community_folder))
    assert "add_safe_globals" not in str(caught.value)

    # What fails for another reason is no fault of it.
    assert loading.reason(ImportError("no home\ndirectory"), find(str(community_folder))) == "no home directory"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["segmentation/pytorch_model.bin", "embedding/pytorch_model.bin", "plda/plda.npz"])
def test_a_file_that_is_cut_or_another_is_named(community_folder: Path, name: str) -> None:
    """Whatever torch or NumPy says of it: they give advice to trust it, or name no file."""
    whole = (community_folder / name).read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"<html>Log in</html>"):
        (community_folder / name).write_bytes(content)

        with pytest.raises(ModelError, match=rf"{name} \({len(content)} bytes\) .*: expected the whole file") as caught:
            loading.load(str(community_folder))
        assert "weights_only" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize(("taken", "put"), [("segmentation", "embedding"), ("embedding", "segmentation")])
def test_a_network_in_the_place_of_another_is_refused(community_folder: Path, taken: str, put: str) -> None:
    """Both are checkpoints of pyannote's, and either would fail in the middle of a run."""
    (community_folder / put / "pytorch_model.bin").write_bytes(
        (community_folder / taken / "pytorch_model.bin").read_bytes()
    )

    with pytest.raises(ModelError, match=rf"{put}/pytorch_model\.bin gives .*: expected a network for {put}"):
        loading.load(str(community_folder))


@pytest.mark.slow
@pytest.mark.parametrize("shapes", [(65, 16), (64, 17)])
def test_a_plda_of_another_network_is_refused(community_folder: Path, shapes: tuple[int, int]) -> None:
    """Before anything is computed: of another size it would fail after all embeddings are there."""
    mixed = plda(*shapes) if shapes[0] != DIMENSION else plda() | {"plda.npz": plda(*shapes)["plda.npz"]}
    write({f"plda/{name}": content for name, content in mixed.items()}, community_folder)

    with pytest.raises(ModelError, match=r"plda does not fit embeddings of 64 values"):
        loading.load(str(community_folder))


@pytest.mark.slow
def test_a_parameter_that_is_no_number_is_refused(community_folder: Path) -> None:
    """YAML reads `7e-2` as text."""
    spoilt(community_folder, "Fa: 0.07", "Fa: 7e-2")

    with pytest.raises(ModelError, match=r"clustering\.Fa is '7e-2': expected a number"):
        loading.load(str(community_folder))


@pytest.mark.slow
def test_a_config_of_before_pyannote_4_gives_what_others_give(community_folder: Path) -> None:
    """`legacy` asks for turns alone."""
    spoilt(community_folder, "clustering: VBxClustering", "clustering: VBxClustering\n    legacy: true")

    assert not loading.load(str(community_folder)).legacy


@pytest.mark.slow
def test_a_set_of_the_hub_computes_what_stock_computes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, community_folder: Path
) -> None:
    """community-1 by its hub id out of the Xet store, against pyannote's own pipeline on a copy: the same turns."""
    from pyannote.audio import Pipeline

    from tasks.engine.inference.level import gain

    (community_folder / "embedding/pytorch_model.bin").write_bytes(checkpoint(embedding_network(pools=True)))
    samples = recording()[: 12 * 16000]
    with hub_in_a_box() as box:
        box.xet = True
        box.add(COMMUNITY, {name: (community_folder / name).read_bytes() for name in community(b"x")})
        use(box, tmp_path / "hub", monkeypatch)
        hub.bring(COMMUNITY, box.address)
        ours: Any = loading.load(COMMUNITY)
    file = {"waveform": torch.from_numpy(samples * np.float32(gain(samples)))[None], "sample_rate": 16000, "uri": "x"}
    stock = Pipeline.from_pretrained(str(community_folder))
    turns = [
        [(turn, speaker) for turn, _, speaker in pipeline(file).speaker_diarization.itertracks(yield_label=True)]
        for pipeline in (ours, stock)
    ]

    assert turns[0]
    assert turns[0] == turns[1]

"""Configs of pipelines in every layout there is: which files are meant, and what pyannote is told of them."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hub_box import HubBox
from stand_in_models import COMMUNITY, EMBEDDING, SEGMENTATION, THREE_CONFIG, community, three, write

from tasks.engine.core.errors import ModelError
from tasks.engine.models import registry
from tasks.engine.models.checksums import POINTER
from tasks.engine.system.atomic import sha256_of


def part(folder: Path, **parts: Any) -> str:
    """The folder of a set whose config names these parts instead."""
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["pipeline"]["params"] |= parts
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return str(folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of community-1; its weights are other bytes in each file."""
    files = community(b"weights")
    return write({name: name.encode() if "/" in name else content for name, content in files.items()}, tmp_path / "set")


def paths(models: str) -> dict[str, Path]:
    """Where the files of a set are."""
    return {file.name: file.path for file in registry.find(models).files}


def test_a_folder_is_loaded_as_stock_loads_it_and_by_file(folder: Path) -> None:
    """`$model/…` becomes a mapping, which pyannote loads strictly and whose words choose no loader."""
    parameters = registry.find(str(folder)).config["pipeline"]["params"]

    assert parameters["segmentation"] == {"checkpoint": str(folder / "segmentation/pytorch_model.bin")}
    assert parameters["embedding"] == {"checkpoint": str(folder / "embedding/pytorch_model.bin")}
    assert parameters["plda"] == {"checkpoint": str(folder / "plda")}
    assert parameters["embedding_batch_size"] == 32


SPELLINGS = ["absolute", "mapping", "mapping below", "in pieces", "in pieces/", "./", "bare", "file"]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_of_a_part_is_in_the_identity(folder: Path, tmp_path: Path, spelling: str) -> None:
    """Weights behind an absolute path or a mapping count like those beside the config: replaced, the set is another."""
    other = write({"net/pytorch_model.bin": b"elsewhere", "net/other.bin": b"elsewhere"}, tmp_path / "elsewhere")
    spelt, path = {
        "absolute": (str(other / "net"), other / "net/pytorch_model.bin"),
        "mapping": ({"checkpoint": str(other / "net/other.bin")}, other / "net/other.bin"),
        "mapping below": ({"checkpoint": str(other), "subfolder": "net"}, other / "net/pytorch_model.bin"),
        "in pieces": ({"checkpoint": "$model", "subfolder": "embedding"}, folder / "embedding/pytorch_model.bin"),
        "in pieces/": ({"checkpoint": "$model/", "subfolder": "/embedding"}, folder / "embedding/pytorch_model.bin"),
        "./": ("./embedding", folder / "embedding/pytorch_model.bin"),
        "bare": ("embedding", folder / "embedding/pytorch_model.bin"),
        "file": ("embedding/pytorch_model.bin", folder / "embedding/pytorch_model.bin"),
    }[spelling]
    models = part(folder, embedding=spelt)
    before = registry.identity(models)
    path.write_bytes(b"replaced")
    after = registry.identity(models)

    assert path in paths(models).values()
    assert {name for name in before if before[name] != after[name]} == {f"embedding/{path.name}"}


@pytest.mark.parametrize("name", ["README.md", "embedding/README.md", "notes.txt", ".gitattributes"])
def test_what_is_not_loaded_is_not_in_the_identity(folder: Path, name: str) -> None:
    """A model card changes no turn."""
    before = registry.identity(str(folder))
    write({name: b"other words"}, folder)

    assert registry.identity(str(folder)) == before


def test_pyannotes_own_offline_tutorial_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its config has another name, lies among the weights, and names them from the folder above."""
    config = THREE_CONFIG.replace(EMBEDDING, "models/pyannote_model_wespeaker-voxceleb-resnet34-LM.bin")
    config = config.replace(SEGMENTATION, "models/pyannote_model_segmentation-3.0.bin")
    folder = write(
        {
            "pyannote_diarization_config.yaml": config.encode(),
            "pyannote_model_wespeaker-voxceleb-resnet34-LM.bin": b"embedding",
            "pyannote_model_segmentation-3.0.bin": b"segmentation",
        },
        tmp_path / "models",
    )
    found = paths(str(folder / "pyannote_diarization_config.yaml"))

    assert found["embedding/pyannote_model_wespeaker-voxceleb-resnet34-LM.bin"].read_bytes() == b"embedding"
    assert found["segmentation/pyannote_model_segmentation-3.0.bin"].read_bytes() == b"segmentation"
    for working, name in ((tmp_path, "models/"), (folder, ""), (folder, "./"), (folder, "../models/")):
        monkeypatch.chdir(working)
        assert paths(f"{name}pyannote_diarization_config.yaml").keys() == found.keys()


def test_sums_count_however_the_folder_is_spelt(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `..` in its name, as it is, from inside and from above; however its parts are spelt, too."""
    part(folder, segmentation=f"{folder.name}/segmentation")
    (folder / "SHA256SUMS").write_text(f"{sha256_of(folder / 'config.yaml')}  config.yaml\n")

    for name in (str(folder), f"{folder}/../{folder.name}", "embedding/..", ".", f"../{folder.name}", "set"):
        monkeypatch.chdir(folder.parent if name == "set" else folder)
        with pytest.raises(ModelError, match=r"segmentation/pytorch_model\.bin has .*SHA256SUMS says nothing of it"):
            registry.identity(name)


def test_a_config_that_was_damaged_in_the_cache_says_so(box: HubBox) -> None:
    """And how to mend it, whatever is left of it: the client takes what is there for whole."""
    registry.find(COMMUNITY)
    config = paths(COMMUNITY)["config.yaml"]
    config.resolve().write_text("pipel")

    with pytest.raises(
        ModelError, match=rf"has the hash .*: expected .*; delete .* and run `step4 models fetch {COMMUNITY}`"
    ):
        registry.find(COMMUNITY)
    config.resolve().unlink()
    assert registry.find(COMMUNITY).identity()
    assert box.paths("config.yaml")


@pytest.mark.parametrize("spelling", ["$model/../../x", "./../../x", {"checkpoint": COMMUNITY, "subfolder": "../x"}])
def test_a_part_of_a_repository_lies_in_it(box: HubBox, spelling: Any) -> None:
    """Or a copy of the set would be written outside of its folder."""
    files = community(b"weights")
    config = yaml.safe_load(files["config.yaml"])
    config["pipeline"]["params"]["embedding"] = spelling
    box.add("a/b", files | {"config.yaml": yaml.safe_dump(config).encode()})

    with pytest.raises(ModelError, match="as its embedding: expected"):
        registry.find("a/b")


def test_a_config_runs_nothing(folder: Path) -> None:
    """Pyannote makes preprocessors of whatever class or function is named, with the arguments that are given."""
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["preprocessors"] = {"audio": {"name": "subprocess.Popen", "params": {"args": ["false"]}}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))

    with pytest.raises(ModelError, match="has preprocessors: expected none"):
        registry.find(str(folder))


def test_a_device_in_a_config_is_left_alone(folder: Path) -> None:
    """The device is planned: pyannote would print what failed on the one in the config."""
    config = yaml.safe_load((folder / "config.yaml").read_text()) | {"device": "cuda:9"}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))

    assert "device" not in registry.find(str(folder)).config


def test_a_clustering_that_needs_the_truth_is_refused(folder: Path) -> None:
    """Pyannote has one for experiments, which has no embeddings."""
    with pytest.raises(
        ModelError, match=r"'OracleClustering' as its clustering: expected Agg.*, KM.* or VBxClustering"
    ):
        registry.find(part(folder, clustering="OracleClustering"))


def test_a_token_in_a_config_is_told_to_nobody(folder: Path) -> None:
    """Old configs have one beside the checkpoint: an error that shows the part shows the rest of it."""
    with pytest.raises(ModelError, match="'subfolder': 'x'") as caught:
        registry.find(part(folder, embedding={"subfolder": "x", "use_auth_token": "hf_secret", "token": "hf_secret"}))

    assert "hf_secret" not in str(caught.value)


def test_files_that_a_part_lacks_are_named(folder: Path) -> None:
    """The folder is there: what is missing in it is what one wants to know."""
    (folder / "plda/plda.npz").unlink()

    with pytest.raises(ModelError, match=r"'\$model/plda' as its plda: .* with xvec_transform.npz and plda.npz"):
        registry.find(str(folder))


def test_repositories_that_lie_below_a_folder_need_no_hub(tmp_path: Path, box: HubBox) -> None:
    """A copy of 3.1 with the two networks that it names, under their ids."""
    own, *named = three(b"weights").items()
    folder = write(own[1], tmp_path / "three")
    for name, files in named:
        write(files, folder / name)
    found = paths(str(folder))

    assert found["segmentation/pytorch_model.bin"] == folder / SEGMENTATION / "pytorch_model.bin"
    assert box.seen == []


def test_a_folder_may_name_repositories_of_the_hub(folder: Path, box: HubBox) -> None:
    """As a string, and as a mapping with a subfolder and a revision; the commit is known."""
    box.add(SEGMENTATION, {"pytorch_model.bin": b"other"}, v3=0)
    hub_part = {"checkpoint": SEGMENTATION, "revision": "v3", "token": "hf_secret"}
    models = part(folder, segmentation=hub_part, embedding={"checkpoint": COMMUNITY, "subfolder": "embedding"})
    model_set = registry.find(models)

    assert model_set.commits == {
        f"{SEGMENTATION}@v3": box.repositories[SEGMENTATION].head,
        COMMUNITY: box.repositories[COMMUNITY].head,
    }
    assert "hf_secret" not in str(model_set)


def test_a_missing_file_is_no_repository(folder: Path, box: HubBox) -> None:
    """`models/x.bin` looks like the id of one: the hub is not asked for it."""
    with pytest.raises(ModelError, match=r"names 'models/missing\.bin' as its embedding: expected a file or folder"):
        registry.find(part(folder, embedding="models/missing.bin"))

    assert box.seen == []


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"embedding": None}, "None as its embedding"),
        ({"plda": None}, "None as its plda"),
        ({"embedding": "$model/elsewhere"}, r"'\$model/elsewhere' as its embedding"),
        ({"embedding": {"subfolder": "embedding"}}, "as its embedding"),
        ({"embedding": ["embedding"]}, "as its embedding"),
        ({"segmentation": "$model/segmentation@v1"}, "as its segmentation"),
    ],
)
def test_a_part_that_is_nowhere_is_named(folder: Path, parts: dict[str, Any], told: str) -> None:
    """Pyannote would ask the hub for it, or for one of its own choice."""
    with pytest.raises(ModelError, match=told):
        registry.find(part(folder, **parts))


def test_a_pipeline_without_vbx_needs_no_plda(folder: Path) -> None:
    """And where one is named all the same it is loaded, so it counts."""
    assert "plda/plda.npz" in registry.identity(part(folder, clustering="AgglomerativeClustering"))
    assert "plda/plda.npz" not in registry.identity(part(folder, plda=None))


OTHER_CONFIGS = [
    "task: {}",
    "- 1",
    "pipeline: [",
    "pipeline: {name: other.Pipeline}",
    "pipeline: {name: [pyannote.audio.pipelines.SpeakerDiarization]}",
    "pipeline: {name: pyannote.audio.pipelines.SpeakerDiarization, params: [1]}",
    "pipeline: {name: pyannote.audio.pipelines.SpeakerDiarization, params: {clustering: [1]}}",
    "{pipeline: {name: pyannote.audio.pipelines.SpeakerDiarization}, params: [1]}",
]


@pytest.mark.parametrize("text", OTHER_CONFIGS)
def test_other_configs_are_refused(folder: Path, text: str) -> None:
    """A config of a network, of no mapping, that is no YAML, of another pipeline."""
    (folder / "config.yaml").write_text(text)

    with pytest.raises(ModelError, match=r"config\.yaml"):
        registry.find(str(folder))


def test_a_pointer_in_the_place_of_weights_is_named(folder: Path) -> None:
    """A clone without git-lfs: torch would give advice to programmers."""
    (folder / "segmentation/pytorch_model.bin").write_bytes(POINTER + b"v1\n")

    with pytest.raises(ModelError, match="pointer of Git LFS"):
        registry.identity(str(folder))


@pytest.mark.parametrize("name", ["segmentation", "embedding", "plda"])
@pytest.mark.parametrize("option", ["hparams_file", "_instantiator", "num_channels", "map_location"])
def test_a_part_has_no_options_that_reach_lightning(folder: Path, name: str, option: str) -> None:
    """It fetches an `hparams_file` from any address, and what that says would be in no identity."""
    models = part(folder, **{name: {"checkpoint": f"$model/{name}", option: "http://127.0.0.1:9/h.yaml"}})

    with pytest.raises(ModelError, match=rf"says {option} of its {name}: expected checkpoint, subfolder, revision and"):
        registry.find(models)


def test_what_is_for_fetching_or_for_layers_may_be_said_of_a_part(folder: Path) -> None:
    """Configs of others say so; a token is told to nobody."""
    spelt = {
        "checkpoint": "$model/embedding",
        "strict": True,
        "token": "hf_x",
        "use_auth_token": None,
        "cache_dir": "x",
    }

    told = registry.find(part(folder, embedding=spelt)).config["pipeline"]["params"]["embedding"]
    assert told == {"checkpoint": str(folder / "embedding/pytorch_model.bin")}

"""Parts and parameters that are others than a pipeline needs: refused as it is loaded, by name."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stand_in_models import COMMUNITY_CONFIG, LDA, community, write

from tasks.engine.core.errors import ModelError
from tasks.engine.inference import loading

pytestmark = pytest.mark.slow
AGGLOMERATIVE = COMMUNITY_CONFIG.replace("VBxClustering", "AgglomerativeClustering")
METHODS = r"clustering\.method \(one of average, centroid, .*\)"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of community-1 with small networks."""
    return write(community(), tmp_path / "set")


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (AGGLOMERATIVE, rf"has the parameter clustering\.Fa, clustering\.Fb, .*: expected .*{METHODS}"),
        (AGGLOMERATIVE.partition("\nparams:")[0], rf"lacks a value of the parameter .*{METHODS}"),
        (
            COMMUNITY_CONFIG.replace("    Fa: 0.07\n", ""),
            r"lacks .* clustering\.Fa \(a number, .*0\.01 to 0\.5\)$",
        ),
        (
            COMMUNITY_CONFIG.replace("    min_duration_off: 0.0\n", "    {}\n"),
            r"lacks .* segmentation\.min",
        ),
        (COMMUNITY_CONFIG.replace("Fa: 0.07", "Fa: .nan"), r"clustering\.Fa is nan: expected a number"),
        (COMMUNITY_CONFIG.replace("Fa: 0.07", "Fa: yes"), r"clustering\.Fa is True: expected a number"),
        (
            COMMUNITY_CONFIG + "freeze:\n  clustering: 3\n",
            r"has the parameter clustering, .*clustering\.Fa",
        ),
        (
            AGGLOMERATIVE.replace("    Fa: 0.07\n    Fb: 0.8\n", "    method: nearest\n    min_cluster_size: 12\n"),
            r"clustering\.method is 'nearest': expected one of average, centroid",
        ),
    ],
)
def test_parameters_that_are_not_the_pipelines_are_named(folder: Path, config: str, told: str) -> None:
    """With what would be accepted: pyannote says that one does not exist, or takes its own values for all of them."""
    (folder / "config.yaml").write_text(config)

    with pytest.raises(ModelError, match=rf"set/config\.yaml.* {told}"):
        loading.load(str(folder))


@pytest.mark.parametrize("kept", ["none", "frozen", "both"])
def test_a_config_that_pyannote_completes_computes_with_the_same(folder: Path, kept: str) -> None:
    """Its defaults where a config of VBx has no values, and values that are frozen, which count more."""
    config = COMMUNITY_CONFIG.partition("\nparams:")[0]
    if kept != "none":
        given = "    Fa: 0.4\n" if kept == "both" else ""
        config = COMMUNITY_CONFIG.replace("    Fa: 0.07\n", given) + "freeze:\n  clustering:\n    Fa: 0.07\n"
    (folder / "config.yaml").write_text(config)
    clustering: Any = loading.load(str(folder)).clustering

    assert (clustering.Fa, clustering.Fb, clustering.threshold) == (0.07, 0.8, 0.6)


NOT_FINITE, TEXT = np.full(LDA, np.nan), np.full(LDA, "x")


@pytest.mark.parametrize(
    ("file", "name", "value", "told"),
    [
        ("plda.npz", "psi", None, "lacks psi: expected the arrays mu, tr, psi"),
        ("xvec_transform.npz", "mean1", None, "lacks mean1: expected the arrays mean1, mean2, lda"),
        ("plda.npz", "mu", NOT_FINITE, "has values in mu that are no finite numbers"),
        ("xvec_transform.npz", "mean2", NOT_FINITE, "has values in mean2 that are no finite numbers"),
        ("plda.npz", "psi", TEXT, "has values in psi that are no finite numbers"),
        ("plda.npz", "tr", np.zeros((LDA, LDA)), "cannot be used .*: expected tr to be a square matrix"),
        ("plda.npz", "tr", np.zeros((LDA, 3)), "cannot be used .*: expected tr to be a square matrix"),
        ("plda.npz", "psi", np.zeros(LDA), "cannot be used .*: expected .* above 0"),
        ("plda.npz", "psi", -np.ones(LDA), "cannot be used .*: expected .* above 0"),
    ],
)
def test_a_plda_that_cannot_be_computed_with_is_named(
    folder: Path, file: str, name: str, value: Any, told: str
) -> None:
    """The file, and what of it is missing or no number: nobody would know where a NaN came from."""
    with np.load(folder / "plda" / file) as arrays:
        held = dict(arrays)
    held |= {name: value}
    np.savez(folder / "plda" / file, **{key: array for key, array in held.items() if array is not None})

    with pytest.raises(ModelError, match=rf"plda/{file} {told}"):
        loading.load(str(folder))


def changed(folder: Path, part: str, change: Any) -> None:
    """Write the checkpoint of a part again."""
    loading.allow_pyannote_checkpoints()
    path = folder / part / "pytorch_model.bin"
    held = torch.load(path, weights_only=False)
    change(held)
    torch.save(held, path)


@pytest.mark.parametrize("part", ["segmentation", "embedding"])
def test_a_module_that_a_checkpoint_names_is_not_run(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """Pyannote imports whatever it names, from the working folder too, before it looks for a network there."""
    (tmp_path / "payload_of_a_checkpoint.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    monkeypatch.syspath_prepend(tmp_path)
    changed(folder, part, lambda held: held["pyannote.audio"]["architecture"].update(module="payload_of_a_checkpoint"))

    with pytest.raises(ModelError, match=rf"{part}/.* names the module 'payload_of_a_checkpoint': expected one of py"):
        loading.load(str(folder))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("key", ["hyper_parameters", "hparams", "module_arguments"])
def test_a_checkpoint_names_no_function_that_makes_its_network(folder: Path, key: str) -> None:
    """Lightning would call it."""
    function = {"_instantiator": "lightning.pytorch.cli.instantiate_module"}
    changed(folder, "embedding", lambda held: held.update({key: held.get(key, {}) | function}))

    with pytest.raises(ModelError, match=r"embedding/pytorch_model\.bin names _instantiator: expected arguments of a"):
        loading.load(str(folder))


@pytest.mark.parametrize("held", [{}, {"state_dict": {}}, [1], {"pyannote.audio": 3, "state_dict": {}}])
def test_a_checkpoint_of_another_library_is_named(folder: Path, held: Any) -> None:
    """Pyannote says "'pyannote.audio'"."""
    torch.save(held, folder / "embedding/pytorch_model.bin")

    with pytest.raises(ModelError, match=r"embedding/pytorch_model\.bin is no checkpoint of pyannote\.audio: expected"):
        loading.load(str(folder))

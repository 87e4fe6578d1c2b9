"""Load a model set into a pyannote pipeline: checkpoints as data only, the offline ones verified first."""

import pkgutil
from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from tasks.engine.core.choices import Engine
from tasks.engine.core.errors import ModelError, one_line
from tasks.engine.inference.requirements import (
    require_complete,
    require_fitting,
    require_network,
    require_parameters,
    require_plda,
)
from tasks.engine.models.hub_failures import chain
from tasks.engine.models.model_set import ModelSet
from tasks.engine.models.pipeline_config import CONFIG_SUFFIXES, DEFAULT_CLUSTERING
from tasks.engine.models.registry import EMBEDDING, SEGMENTATION, find, models_folder

if TYPE_CHECKING:
    from tasks.engine.inference.exact import ExactSpeakerDiarization

ENGINES: dict[str, str] = {
    Engine.EXACT: "exact.ExactSpeakerDiarization",
    Engine.SHARED: "shared.SharedSpeakerDiarization",
}

OFFLINE_PARAMETERS: dict[str, Any] = {
    "segmentation": {"min_duration_off": 0.0},
    # Chosen in docs/lab_notes/measurements.md, "Clustering threshold".
    "clustering": {"method": "centroid", "min_cluster_size": 12, "threshold": 0.7},
}


def load(models: str, engine: str = Engine.EXACT) -> "ExactSpeakerDiarization":
    """Load a fresh pipeline on CPU, every checkpoint as data only, and verified before it is read.

    Args:
        models: `offline`, a hub id, or a folder that holds a `config.yaml`.
        engine: an `Engine`.

    Raises:
        ModelError: missing, altered, of an unknown kind, or not loadable.
    """
    model_set = find(models)
    model_set.identity()
    try:
        return load_offline(engine) if models == "offline" else load_pipeline(model_set, engine)
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"model set {models!r} does not load: {reason(error, model_set)}") from error


def load_offline(engine: str) -> "ExactSpeakerDiarization":
    """Build segmentation-3.0 and CAM++ under agglomerative clustering."""
    import torch  # noqa: PLC0415  # heavy: three seconds
    from pyannote.audio import Model  # noqa: PLC0415

    from tasks.engine.inference.pyannote_adapter import NoPLDA  # noqa: PLC0415
    from tasks.engine.models.campplus import CampPlus  # noqa: PLC0415

    allow_pyannote_checkpoints()
    embedding = CampPlus()
    embedding.resnet.load_state_dict(torch.load(models_folder() / EMBEDDING.file, weights_only=True))
    pipeline: ExactSpeakerDiarization = pkgutil.resolve_name(f"tasks.engine.inference.{ENGINES[engine]}")(
        segmentation=Model.from_pretrained(str(models_folder() / SEGMENTATION.file)),
        embedding=embedding,
        clustering="AgglomerativeClustering",
        plda=NoPLDA(),
    )
    pipeline.instantiate(OFFLINE_PARAMETERS)
    return pipeline


def load_pipeline(model_set: ModelSet, engine: str) -> "ExactSpeakerDiarization":
    """Build a pyannote speaker diarization pipeline from its config and the files of its parts.

    Raises:
        ModelError: a part or a parameter is not what it must be.
    """
    from pyannote.audio import Pipeline  # noqa: PLC0415

    from tasks.engine.inference.pyannote_adapter import NoPLDA  # noqa: PLC0415

    allow_pyannote_checkpoints()
    config = deepcopy(dict(model_set.config))  # pyannote writes into it
    parameters = config["pipeline"]["params"]
    parameters.setdefault("plda", NoPLDA())
    parameters.pop("legacy", None)  # it asks for turns alone
    freeze, given = config.pop("freeze", None) or {}, config.pop("params", None) or {}
    networks = {part: parameters[part]["checkpoint"] for part in ("segmentation", "embedding")}
    layers = {part: require_network(checkpoint) for part, checkpoint in networks.items()}
    if isinstance(parameters["plda"], Mapping):
        require_plda(parameters["plda"]["checkpoint"])
    config["pipeline"]["name"] = f"tasks.engine.inference.{ENGINES[engine]}"
    pipeline: ExactSpeakerDiarization = Pipeline.from_pretrained(config)
    require_complete(pipeline.segmentation_network, networks["segmentation"], layers["segmentation"])
    require_complete(pipeline.embedding_network, networks["embedding"], layers["embedding"])
    require_fitting(pipeline, parameters)
    if not given and parameters.get("clustering", DEFAULT_CLUSTERING) == DEFAULT_CLUSTERING:
        given = pipeline.default_parameters()  # as pyannote does
    require_parameters(pipeline.parameters(), given, freeze, model_set.files[0].path)
    # What is frozen is for training, where it has one value: here it has that, too.
    pipeline.instantiate({name: {**given.get(name, {}), **freeze.get(name, {})} for name in {**given, **freeze}})
    return pipeline


def reason(error: Exception, model_set: ModelSet) -> str:
    """Say why a set does not load: the file that it failed on, else the error on one line."""
    kinds = {type(link) for link in chain(error)}
    for file in model_set.files:
        fault = fault_of(file.path)
        # What fails for another reason is no fault of a file.
        if fault and type(fault) in kinds:
            return described(fault, file.path)
    return one_line(error)


def fault_of(path: Path) -> Exception | None:
    """Return what reading a file of a set as data raises; None where it can be read."""
    import numpy as np  # noqa: PLC0415
    import torch  # noqa: PLC0415

    try:
        if path.suffix == ".npz":
            with np.load(path) as arrays:
                list(arrays.values())
        elif path.suffix not in CONFIG_SUFFIXES:
            torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001  # whatever torch and NumPy have to say
        return error
    return None


def described(fault: Exception, path: Path) -> str:
    """Say what is wrong with a file: the classes that a checkpoint holds beside data, or that it is none."""
    import torch  # noqa: PLC0415

    if isinstance(fault, UnpicklingError):
        # What is no checkpoint of torch holds no classes.
        with suppress(Exception):
            if refused := torch.serialization.get_unsafe_globals_in_checkpoint(path):
                return (
                    f"{path} holds {', '.join(sorted(refused))}: expected tensors and pyannote's own classes: "
                    "checkpoints are loaded as data only"
                )
    kind = "arrays of NumPy" if path.suffix == ".npz" else "a checkpoint of torch"
    return f"{path} ({path.stat().st_size} bytes) cannot be read as {kind}: expected the whole file, fetched again"


def allow_pyannote_checkpoints() -> None:
    """Let the data-only loader read the few plain classes that pyannote's checkpoints hold."""
    import torch  # noqa: PLC0415
    from pyannote.audio.core.task import Problem, Resolution, Specifications  # noqa: PLC0415

    torch.serialization.add_safe_globals([Specifications, Problem, Resolution, torch.torch_version.TorchVersion])

"""Load a model set into a pyannote pipeline: checkpoints as data only, the offline ones verified first."""

import pkgutil
from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from tasks.engine.core.choices import Engine
from tasks.engine.core.errors import ModelError
from tasks.engine.models.hub_failures import chain
from tasks.engine.models.model_set import ModelSet
from tasks.engine.models.pipeline_config import CONFIG_SUFFIXES, one_line
from tasks.engine.models.registry import EMBEDDING, SEGMENTATION, find, models_folder

if TYPE_CHECKING:
    from tasks.engine.inference.exact import ExactSpeakerDiarization

ENGINES: dict[str, str] = {
    Engine.EXACT: "exact.ExactSpeakerDiarization",
    Engine.SHARED: "shared.SharedSpeakerDiarization",
}

WORDS = ("method",)
"""Parameters of pyannote's pipelines that are no numbers."""
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
        ModelError: a checkpoint lacks layers of its network.
    """
    from pyannote.audio import Pipeline  # noqa: PLC0415

    from tasks.engine.inference.pyannote_adapter import NoPLDA  # noqa: PLC0415

    allow_pyannote_checkpoints()
    config = deepcopy(dict(model_set.config))  # pyannote writes into it
    parameters = config["pipeline"]["params"]
    parameters.setdefault("plda", NoPLDA())
    parameters.pop("legacy", None)  # it asks for turns alone
    require_numbers(config.get("params") or {})
    config["pipeline"]["name"] = f"tasks.engine.inference.{ENGINES[engine]}"
    pipeline: ExactSpeakerDiarization = Pipeline.from_pretrained(config)
    require_complete(pipeline.segmentation_network, parameters["segmentation"]["checkpoint"])
    require_complete(pipeline.embedding_network, parameters["embedding"]["checkpoint"])
    require_fitting(pipeline, parameters)
    return pipeline


def require_numbers(parameters: Mapping[str, Any], name: str = "") -> None:
    """Require every parameter that is decided by a number to have one: YAML reads `7e-2` as text.

    Raises:
        ModelError: with the first that has none.
    """
    for key, value in parameters.items():
        if isinstance(value, Mapping):
            require_numbers(value, f"{name}{key}.")
        elif key not in WORDS and not isinstance(value, int | float):
            raise ModelError(f"the parameter {name}{key} is {value!r}: expected a number, as 0.07")


def require_fitting(pipeline: "ExactSpeakerDiarization", parameters: Mapping[str, Any]) -> None:
    """Require networks and PLDA to be of their parts, and of one another: others fail in the middle of a run.

    Raises:
        ModelError: with the file that is another, or the sizes.
    """
    import numpy as np  # noqa: PLC0415
    from pyannote.audio.core.task import Resolution  # noqa: PLC0415

    wrong = {"segmentation": Resolution.CHUNK, "embedding": Resolution.FRAME}
    networks = {"segmentation": pipeline.segmentation_network, "embedding": pipeline.embedding_network}
    for part, network in networks.items():
        if getattr(network.specifications, "resolution", None) is wrong[part]:
            raise ModelError(
                f"{parameters[part]['checkpoint']} gives one answer a {wrong[part].name.lower()}: expected a network "
                f"for {part}"
            )
    voices = getattr(pipeline.clustering, "plda", None)
    if voices is None:
        return
    dimension = pipeline.embedder.dimension
    try:
        voices(np.ones((1, dimension)))
    except ValueError as error:
        raise ModelError(
            f"{parameters['plda']['checkpoint']} does not fit embeddings of {dimension} values, as "
            f"{parameters['embedding']['checkpoint']} gives: expected the PLDA of this network ({one_line(error)})"
        ) from error


def require_complete(network: Any, checkpoint: str) -> None:  # noqa: ANN401  # a pyannote model of any architecture
    """Require a checkpoint to hold every layer of its network: pyannote may leave what is missing at random values.

    Raises:
        ModelError: with the first layer that is missing.
    """
    import torch  # noqa: PLC0415

    held = torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    missing = [name for name in network.state_dict() if name not in held]
    if missing:
        raise ModelError(
            f"{checkpoint} lacks {len(missing)} layers of {type(network).__name__}, {missing[0]} the first: expected "
            "all of them, as the other weights would be random"
        )


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

"""Load a model set into a pyannote pipeline: checkpoints as data only, the offline ones verified first."""

import pkgutil
from contextlib import suppress
from copy import deepcopy
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from tasks.engine.core.choices import Engine
from tasks.engine.core.errors import ModelError
from tasks.engine.models.model_set import ModelSet
from tasks.engine.models.pipeline_config import one_line
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
        ModelError: a checkpoint lacks layers of its network.
    """
    from pyannote.audio import Pipeline  # noqa: PLC0415

    from tasks.engine.inference.pyannote_adapter import NoPLDA  # noqa: PLC0415

    allow_pyannote_checkpoints()
    config = deepcopy(dict(model_set.config))  # pyannote writes into it
    parameters = config["pipeline"]["params"]
    parameters.setdefault("plda", NoPLDA())
    config["pipeline"]["name"] = f"tasks.engine.inference.{ENGINES[engine]}"
    pipeline: ExactSpeakerDiarization = Pipeline.from_pretrained(config)
    require_complete(pipeline.segmentation_network, parameters["segmentation"]["checkpoint"])
    require_complete(pipeline.embedding_network, parameters["embedding"]["checkpoint"])
    return pipeline


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
    """Say why a set does not load: the classes that a checkpoint holds beside data, else the error on one line."""
    if not _is_refusal(error):
        return one_line(error)
    import torch  # noqa: PLC0415

    for file in model_set.files:
        # What is no checkpoint of torch holds no classes.
        with suppress(Exception):
            if refused := torch.serialization.get_unsafe_globals_in_checkpoint(file.path):
                return (
                    f"{file.path} holds {', '.join(sorted(refused))}: expected tensors and pyannote's own classes: "
                    "checkpoints are loaded as data only"
                )
    return one_line(error)


def _is_refusal(error: BaseException | None) -> bool:
    """Tell whether the data-only loader is at the bottom of it: other failures are no fault of a checkpoint."""
    return error is not None and (
        isinstance(error, UnpicklingError) or _is_refusal(error.__cause__ or error.__context__)
    )


def allow_pyannote_checkpoints() -> None:
    """Let the data-only loader read the few plain classes that pyannote's checkpoints hold."""
    import torch  # noqa: PLC0415
    from pyannote.audio.core.task import Problem, Resolution, Specifications  # noqa: PLC0415

    torch.serialization.add_safe_globals([Specifications, Problem, Resolution, torch.torch_version.TorchVersion])

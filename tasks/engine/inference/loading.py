"""Load a model set into a pyannote pipeline: checkpoints as data only, the offline ones verified first."""

import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.engine.core.choices import Engine
from tasks.engine.core.errors import ModelError
from tasks.engine.models import hub
from tasks.engine.models.registry import (
    EMBEDDING,
    HUB_ID,
    SEGMENTATION,
    identity,
    models_folder,
    one_line,
    pipeline_folder,
    read_config,
)

if TYPE_CHECKING:
    from tasks.engine.inference.exact import ExactSpeakerDiarization

STOCK_PIPELINES = {
    "pyannote.audio.pipelines.SpeakerDiarization",
    "pyannote.audio.pipelines.speaker_diarization.SpeakerDiarization",
}

ENGINES: dict[str, str] = {
    Engine.EXACT: "exact.ExactSpeakerDiarization",
    Engine.SHARED: "shared.SharedSpeakerDiarization",
}

CHECKPOINTS = ("segmentation", "embedding", "plda")
"""Parts of a pipeline that pyannote loads by name."""

OFFLINE_PARAMETERS: dict[str, Any] = {
    "segmentation": {"min_duration_off": 0.0},
    # Chosen in docs/lab_notes/measurements.md, "Clustering threshold".
    "clustering": {"method": "centroid", "min_cluster_size": 12, "threshold": 0.7},
}


def load(models: str, engine: str = Engine.EXACT) -> "ExactSpeakerDiarization":
    """Load a fresh pipeline on CPU, every checkpoint as data only; the offline ones are verified before they are read.

    Args:
        models: `offline`, a hub id, or a folder that holds a `config.yaml`.
        engine: an `Engine`.

    Raises:
        ModelError: missing, altered, of an unknown kind, or not loadable.
    """
    identity(models)
    try:
        return load_offline(engine) if models == "offline" else load_folder(pipeline_folder(models), engine)
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"model set {models!r} does not load: {one_line(error)}") from error


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


def load_folder(folder: Path, engine: str) -> "ExactSpeakerDiarization":
    """Build a pyannote speaker diarization pipeline from a folder with its `config.yaml`.

    Raises:
        ModelError: it describes another pipeline, or names a network that is not on this machine.
    """
    from pyannote.audio import Pipeline  # noqa: PLC0415

    from tasks.engine.inference.pyannote_adapter import NoPLDA  # noqa: PLC0415

    allow_pyannote_checkpoints()
    config = read_config(folder)
    name = config.get("pipeline", {}).get("name")
    if name not in STOCK_PIPELINES:
        raise ModelError(f"{folder / 'config.yaml'} describes {name!r}: expected {min(STOCK_PIPELINES)}")
    parameters = config["pipeline"].setdefault("params", {})
    if parameters.get("clustering", "VBxClustering") != "VBxClustering":
        parameters.setdefault("plda", NoPLDA())
    local = inside(parameters, folder)
    require_local(local, folder)
    config["pipeline"] = {"name": f"tasks.engine.inference.{ENGINES[engine]}", "params": local}
    pipeline: ExactSpeakerDiarization = Pipeline.from_pretrained(config)
    return pipeline


def inside(value: Any, folder: Path) -> Any:  # noqa: ANN401  # any YAML value
    """Resolve what a config names: `$model/…` and `./…` in its own folder, hub ids in their local snapshots."""
    if isinstance(value, dict):
        return {key: inside(item, folder) for key, item in value.items()}
    if isinstance(value, str) and value.startswith(("$model/", "./")):
        return str(folder / value.split("/", 1)[1])
    if isinstance(value, str) and HUB_ID.fullmatch(value):
        return str(hub.snapshot(value))
    return value


def require_local(parameters: dict[str, Any], folder: Path) -> None:
    """Require every network that pyannote would load to lie on this machine.

    pyannote asks the hub for whatever is neither file nor folder, and for networks of its own where none is named:
    with names that exist here it has no reason to, and nothing unverified is loaded.

    Raises:
        ModelError: with the first part that is not named or not there.
    """
    for part in CHECKPOINTS:
        checkpoint = parameters.get(part)
        name = checkpoint.get("checkpoint") if isinstance(checkpoint, dict) else checkpoint
        if name is None or (isinstance(name, str) and not Path(name).exists()):
            raise ModelError(
                f"{folder / 'config.yaml'} names {name!r} as its {part}: expected a file or folder beside it, "
                "as $model/… or ./…, or a hub id"
            )


def allow_pyannote_checkpoints() -> None:
    """Let the data-only loader read the few plain classes that pyannote's checkpoints hold."""
    import torch  # noqa: PLC0415
    from pyannote.audio.core.task import Problem, Resolution, Specifications  # noqa: PLC0415

    torch.serialization.add_safe_globals([Specifications, Problem, Resolution, torch.torch_version.TorchVersion])

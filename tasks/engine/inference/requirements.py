"""What the parts and the parameters of a pipeline must be: others fail in the middle of a run, or compute nonsense."""

from collections.abc import Iterator, Mapping
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.engine.core.errors import ModelError, one_line

if TYPE_CHECKING:
    from tasks.engine.inference.exact import ExactSpeakerDiarization

ARCHITECTURES = "pyannote.audio.models."
"""Where networks are defined. pyannote imports whatever module a checkpoint names, and so runs it."""
SAVED_ARGUMENTS = ("hyper_parameters", "hparams", "module_arguments")
"""Under which Lightning looks for arguments of a network."""
PLDA_ARRAYS = {"xvec_transform.npz": ("mean1", "mean2", "lda"), "plda.npz": ("mu", "tr", "psi")}
"""Files of a PLDA, and what pyannote reads from each (`pyannote.audio.utils.vbx.vbx_setup`)."""


def require_parameters(
    parameters: Mapping[str, Any], given: Mapping[str, Any], frozen: Mapping[str, Any], config: Path
) -> None:
    """Require every parameter of a pipeline to have a value, and no others to be named.

    pyannote would take its own defaults, for all of them, where one has no value.

    Args:
        parameters: pyannote's, by section.
        given: values as the config has them under `params`.
        frozen: and under `freeze`, which count more.
        config: for the error.

    Raises:
        ModelError: with the parameters that are missing or unknown, and what would be accepted.
    """
    known, named = dict(flat(parameters)), {**dict(flat(given)), **dict(flat(frozen))}
    accepted = {name: accepted_by(parameter) for name, parameter in known.items()}
    if wrong := [name for name in named if name not in known]:
        raise ModelError(
            f"{config} has the parameter {', '.join(wrong)}, which its pipeline has not: expected {listed(accepted)}"
        )
    if missing := {name: text for name, text in accepted.items() if name not in named}:
        raise ModelError(f"{config} lacks a value of the parameter {listed(missing)}")
    for name, value in named.items():
        choices = getattr(known[name], "choices", None)
        number = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
        # YAML reads `7e-2` as text.
        if value not in choices if choices else not number:
            raise ModelError(f"{config}: the parameter {name} is {value!r}: expected {accepted[name]}")


def flat(nested: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what is in mappings of mappings, under names with dots."""
    for key, value in nested.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def listed(accepted: Mapping[str, str]) -> str:
    """List parameters, each with what it accepts."""
    return ", ".join(f"{name} ({text})" for name, text in accepted.items())


def accepted_by(parameter: Any) -> str:  # noqa: ANN401  # one of pyannote's
    """Say what a parameter accepts. Bounds are those of pyannote's own search, and no limits."""
    if choices := getattr(parameter, "choices", None):
        return f"one of {', '.join(map(str, choices))}"
    if hasattr(parameter, "low"):
        return f"a number, commonly {parameter.low:g} to {parameter.high:g}"
    return "a number"


def require_plda(folder: str) -> None:
    """Require a PLDA to hold what pyannote computes with: arrays of finite numbers that can be inverted.

    Raises:
        ModelError: with the file, and what of it is missing or no number.
        ValueError: a file is none of NumPy.
    """
    import numpy as np  # noqa: PLC0415
    from pyannote.audio.core.plda import PLDA  # noqa: PLC0415

    for file, names in PLDA_ARRAYS.items():
        path = Path(folder, file)
        with np.load(path) as arrays:
            if missing := [name for name in names if name not in arrays]:
                raise ModelError(f"{path} lacks {', '.join(missing)}: expected the arrays {', '.join(names)}")
            for name in names:
                if not np.issubdtype(arrays[name].dtype, np.number) or not np.isfinite(arrays[name]).all():
                    raise ModelError(f"{path} has values in {name} that are no finite numbers: expected numbers alone")
    try:
        with np.errstate(divide="ignore", invalid="ignore"):
            variances = PLDA.from_pretrained(folder).phi
        if not (variances >= 0).all():
            raise ValueError("variances below 0")  # noqa: TRY301
    except ValueError as error:  # NumPy's LinAlgError is one
        raise ModelError(
            f"{Path(folder, 'plda.npz')} cannot be used ({one_line(error)}): expected tr to be a square matrix that "
            "can be inverted, and psi to be as long, and above 0"
        ) from error


def require_network(checkpoint: str) -> Mapping[str, Any]:
    """Require a checkpoint to be of one of pyannote's networks, before anything that it names is imported.

    Returns:
        Its layers.

    Raises:
        ModelError: it is of none, or names something to be called.
    """
    import torch  # noqa: PLC0415

    held = torch.load(checkpoint, map_location="cpu", weights_only=True)
    try:
        module = held["pyannote.audio"]["architecture"]["module"]
        layers: Mapping[str, Any] = held["state_dict"]
        arguments = {name for key in SAVED_ARGUMENTS for name in held.get(key, {})}
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ModelError(
            f"{checkpoint} is no checkpoint of pyannote.audio: expected the keys pyannote.audio and state_dict, as it "
            "saves its networks"
        ) from error
    if not str(module).startswith(ARCHITECTURES):
        raise ModelError(f"{checkpoint} names the module {module!r}: expected one of {ARCHITECTURES}*")
    if called := sorted(name for name in arguments if str(name).startswith("_")):
        # Lightning's: `_instantiator` is a function that makes the network.
        raise ModelError(f"{checkpoint} names {', '.join(called)}: expected arguments of a network alone")
    return layers


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


def require_complete(network: Any, checkpoint: str, held: Mapping[str, Any]) -> None:  # noqa: ANN401  # any pyannote model
    """Require a checkpoint to hold every layer of its network: pyannote may leave what is missing at random values.

    Args:
        network: made from it.
        checkpoint: for the error.
        held: its layers.

    Raises:
        ModelError: with the first layer that is missing.
    """
    missing = [name for name in network.state_dict() if name not in held]
    if missing:
        raise ModelError(
            f"{checkpoint} lacks {len(missing)} layers of {type(network).__name__}, {missing[0]} the first: expected "
            "all of them, as the other weights would be random"
        )

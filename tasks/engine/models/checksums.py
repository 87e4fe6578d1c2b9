"""Checksums of model files: what a checkpoint must be, before anything of it is loaded."""

from pathlib import Path

from tasks.engine.core.errors import ModelError
from tasks.engine.system.atomic import sha256_of

SUMS = "SHA256SUMS"
"""A file beside a user's models, as `sha256sum` writes it; where it is there, it decides."""


def checksums(folder: Path) -> dict[str, str]:
    """Map the relative path of every file below a folder to its sha256, hidden folders left out.

    Raises:
        ModelError: the folder has a `SHA256SUMS`, and a file differs from it or does not stand in it.
    """
    actual = {
        str(path.relative_to(folder)): sha256_of(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.relative_to(folder).parts[0].startswith(".")
    }
    return checked_sums(folder, actual) if SUMS in actual else actual


def checked_sums(folder: Path, actual: dict[str, str]) -> dict[str, str]:
    """Return the checksums as they are, if they are those that `sha256sum` wrote down beside the files.

    Raises:
        ModelError: with the first file that is not.
    """
    lines = (folder / SUMS).read_text(encoding="utf-8", errors="replace").splitlines()
    # `sha256sum` writes the sum, a space, a space or an asterisk, and the name.
    listed = {line[66:].removeprefix("./"): line[:64].lower() for line in lines if line.strip()}
    for name in sorted((actual.keys() | listed.keys()) - {SUMS}):
        if actual.get(name) != listed.get(name):
            raise ModelError(
                f"{folder / name} has sha256 {actual.get(name, 'none, it is missing')}: "
                f"{folder / SUMS} says {listed.get(name, 'nothing of it')}"
            )
    return actual


def checked_sha256(path: Path, expected: str) -> str:
    """Return the file's sha256, if it is the expected one.

    Raises:
        ModelError: the file is absent or different.
    """
    if not path.is_file():
        raise ModelError(f"model {path} is missing: run `make models`, or set STEP4_MODELS_DIR to where the models are")
    actual = sha256_of(path)
    if actual != expected:
        raise ModelError(f"model {path} has sha256 {actual}: expected {expected}; delete it and run `make models`")
    return actual

"""Checksums of model files: what a checkpoint must be, before anything of it is loaded.

The hub's cache names every blob by its hash, sha256 for large files and git's for small ones. A snapshot's file is a
link to one; where several repositories share a file, that is a link in turn, to a name that is another kind of hash.
"""

import hashlib
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tasks.engine.core.errors import ModelError
from tasks.engine.system.atomic import sha256_of

SUMS = "SHA256SUMS"
"""A file beside a user's models, as `sha256sum` writes it; where it is there, it decides."""
SHA256_NAME, GIT_NAME = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{40}")
POINTER = b"version https://git-lfs.github.com/spec/"
"""How the text begins that git holds in the place of a large file (the specification of git-lfs, "The Pointer")."""

OFFLINE_SET = "offline"


def fetch_command(models: str) -> str:
    """Spell the command that brings a set here, whichever is in force."""
    return f"`step4 models fetch {shlex.quote(models)}`"


@contextmanager
def permission_required() -> Iterator[None]:
    """Say of a file or folder of a set that it may not be read.

    Raises:
        ModelError: with its path.
    """
    try:
        yield
    except PermissionError as error:
        raise ModelError(
            f"{error.filename} may not be read: expected the right to, for the user that runs this"
        ) from error


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """A file whose content was read.

    Attributes:
        sha256: of its content.
        proof: what the content was held against; empty where there was nothing.
    """

    sha256: str
    proof: str = ""


def checked_file(path: Path, folder: Path, models: str) -> CheckedFile:
    """Hash a file, and hold it against whatever is known of it: `SHA256SUMS` in the folder, the name of its blob.

    Args:
        path: what will be loaded.
        folder: the set's, or the snapshot's.
        models: name of the set that it is of.

    Raises:
        ModelError: missing, other than it should be, or the pointer of git-lfs instead of the file.
    """
    if not path.is_file():
        raise ModelError(f"model {path} is missing: expected a file")
    refuse_pointer(path)
    sha256 = sha256_of(path)
    listed = listed_sums(folder)
    if listed is not None and path.is_relative_to(folder):
        expected = listed.get(str(path.relative_to(folder)))
        if expected != sha256:
            raise ModelError(f"{path} has sha256 {sha256}: {folder / SUMS} says {expected or 'nothing of it'}")
        return CheckedFile(sha256, SUMS)
    blob = blob_name(path)
    if blob is None:
        return CheckedFile(sha256)
    actual = sha256 if SHA256_NAME.fullmatch(blob) else git_hash(path.read_bytes())
    if actual != blob:
        raise ModelError(
            f"{path} has the hash {actual}: expected {blob}; delete {path.resolve()} and run {fetch_command(models)}"
        )
    return CheckedFile(sha256, "the hub's hash")


def blob_name(path: Path) -> str | None:
    """Return the hash that the hub's cache names a file by, one link away; None for a file that is no such link."""
    target = path.readlink() if path.is_symlink() else Path()
    is_hash = SHA256_NAME.fullmatch(target.name) or GIT_NAME.fullmatch(target.name)
    return target.name if target.parent.name == "blobs" and is_hash else None


def git_hash(content: bytes) -> str:
    """Return git's name of a blob (git-hash-object(1))."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def refuse_pointer(path: Path) -> None:
    """Refuse what a clone without git-lfs leaves in the place of a file.

    Raises:
        ModelError: it is one.
    """
    with path.open("rb") as file:
        if file.read(len(POINTER)) == POINTER:
            raise ModelError(
                f"{path} is a pointer of Git LFS, not the file itself: run `git lfs pull` in {path.parent}, or fetch "
                "the set with `step4 models fetch ID --to FOLDER`"
            )


def listed_sums(folder: Path) -> dict[str, str] | None:
    """Read the folder's `SHA256SUMS`, name to sha256; None where it has none."""
    if not (folder / SUMS).is_file():
        return None
    lines = (folder / SUMS).read_text(encoding="utf-8", errors="replace").splitlines()
    # `sha256sum` writes the sum, a space, a space or an asterisk, and the name.
    return {line[66:].removeprefix("./"): line[:64].lower() for line in lines if line.strip()}


def require_present(path: Path) -> None:
    """Refuse a file of the offline set that is not there.

    Raises:
        ModelError: with how to get it.
    """
    if not path.is_file():
        raise ModelError(
            f"model {path} is missing: run {fetch_command(OFFLINE_SET)}, or set STEP4_MODELS_DIR to where they are"
        )


def checked_sha256(path: Path, expected: str) -> str:
    """Return the sha256 of a file of the offline set, if it is the expected one.

    Raises:
        ModelError: the file is absent or different.
    """
    require_present(path)
    actual = sha256_of(path)
    if actual != expected:
        raise ModelError(
            f"model {path} has sha256 {actual}: expected {expected}; delete it and run {fetch_command(OFFLINE_SET)}"
        )
    return actual
